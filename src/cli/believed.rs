//! What the steps of a run believed in, side by side.

use anyhow::Result;

use crate::{
    picture::{self, Picture},
    session::{Event, Run},
};

/// Pictures in a row.
const COLUMNS: usize = 8;
/// Most pictures.
const MOST: usize = 32;

/// The clean picture that each step believed in.
#[derive(Default)]
pub struct Believed(Vec<Picture>);

impl Believed {
    /// Remembers what a run believes in, where the event is that of a step.
    ///
    /// # Errors
    /// When the device fails.
    pub fn see(&mut self, run: &Run, event: &Event) -> Result<()> {
        if matches!(event, Event::Step { .. }) {
            self.0.extend(pollster::block_on(run.preview())?);
        }
        Ok(())
    }

    /// All of them, or every so many where there are many; the last is among them.
    pub fn strip(&self) -> Picture {
        let every = self.0.len().div_ceil(MOST).max(1);
        let labelled = self.0.iter().enumerate().rev().step_by(every);
        let mut cells: Vec<_> = labelled
            .map(|(step, picture)| (format!("step {}", step + 1), picture.clone()))
            .collect();
        cells.reverse();
        picture::strip(&cells, COLUMNS)
    }
}
