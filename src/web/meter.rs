//! How fast something goes, and how long it still takes.

use super::{
    browser::now_secs,
    messages::{Act, Said},
};

/// Seconds between two reports.
const PAUSE_SECS: f64 = 0.1;

/// Watches bytes go by.
pub struct Meter {
    name: String,
    act: Act,
    total_bytes: u64,
    /// When and at how many bytes a report was made last.
    last: (f64, u64),
    /// Bytes in a second; 0 before the first report.
    rate: f64,
}

impl Meter {
    /// Begins at so many bytes.
    pub fn new(name: &str, act: Act, done_bytes: u64, total_bytes: u64) -> Self {
        Self {
            name: name.to_owned(),
            act,
            total_bytes,
            last: (now_secs(), done_bytes),
            rate: 0.0,
        }
    }

    /// What to report at so many bytes; nothing when there was a report just now.
    pub fn at(&mut self, done_bytes: u64) -> Option<Said> {
        let (then, before) = self.last;
        let secs = now_secs() - then;
        // The first is made at once: what hangs then is seen to have begun.
        let just_now = self.rate > 0.0 && secs < PAUSE_SECS;
        if just_now && done_bytes < self.total_bytes {
            return None;
        }
        let now = done_bytes.saturating_sub(before) as f64 / secs.max(1e-3);
        self.rate = if self.rate == 0.0 {
            now
        } else {
            0.8 * self.rate + 0.2 * now
        };
        self.last = (now_secs(), done_bytes);
        Some(Said::Progress {
            name: self.name.clone(),
            act: self.act,
            done_bytes,
            total_bytes: self.total_bytes,
            rate: self.rate,
            left_secs: self.total_bytes.saturating_sub(done_bytes) as f64 / self.rate.max(1.0),
        })
    }
}
