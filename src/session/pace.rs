//! How fast a run is, and how long it will take.

use super::clock::now_secs;

/// Times a run.
pub(super) struct Clock {
    start: f64,
    picture: f64,
    last: f64,
    step_secs: Option<f64>,
}

impl Clock {
    pub(super) fn new() -> Self {
        let now = now_secs();
        Self {
            start: now,
            picture: now,
            last: now,
            step_secs: None,
        }
    }

    pub(super) fn begin_picture(&mut self) {
        self.picture = now_secs();
        self.last = self.picture;
    }

    pub(super) fn since_start(&self) -> f64 {
        now_secs() - self.start
    }

    pub(super) fn since_picture(&self) -> f64 {
        now_secs() - self.picture
    }

    /// Steps a second, and seconds that so many more steps take. The first step also makes the plan, so it is forgotten
    /// as soon as there is another.
    pub(super) fn pace(&mut self, left: usize) -> (f64, f64) {
        let now = now_secs();
        let secs = (now - self.last).max(1e-9);
        let first = self.step_secs.is_none() || self.last <= self.picture;
        let mean = match self.step_secs {
            Some(mean) if !first => 0.7 * mean + 0.3 * secs,
            _ => secs,
        };
        self.last = now;
        self.step_secs = Some(mean);
        (1.0 / mean, left as f64 * mean)
    }
}
