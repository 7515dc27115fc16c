//! What a device must compile before the first step, and how long that still takes.

use super::{Event, clock::now_secs};
use crate::{error::Result, tensor::Preparation};

/// Seconds between two events; the last is told whenever it comes.
const PAUSE_SECS: f64 = 0.1;

/// What is being made ready.
pub(super) struct Preparing {
    parts: Vec<Box<dyn Preparation>>,
    done: usize,
    of: usize,
    start: f64,
    told: f64,
}

impl Preparing {
    /// Begins; the parts come one after the other.
    pub fn new(mut parts: Vec<Box<dyn Preparation>>) -> Self {
        // The next is taken from the end.
        parts.reverse();
        let now = now_secs();
        Self {
            of: parts.iter().map(|part| part.pieces()).sum(),
            parts,
            done: 0,
            start: now,
            told: now,
        }
    }

    /// Goes on until there is something to tell; `None` when everything is ready.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        while let Some(part) = self.parts.last_mut() {
            if !part.next().await? {
                self.parts.pop();
                continue;
            }
            self.done += 1;
            let now = now_secs();
            if now - self.told < PAUSE_SECS && self.done < self.of {
                continue;
            }
            self.told = now;
            let left = (self.of - self.done) as f64;
            return Ok(Some(Event::Preparing {
                done: self.done,
                of: self.of,
                left_secs: (now - self.start) / self.done as f64 * left,
            }));
        }
        Ok(None)
    }
}
