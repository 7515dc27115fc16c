//! Compiles what a plan needs before it runs, kernel by kernel, so that whoever waits can be told how much is left.

use std::rc::Rc;

use super::{Wgsl, step::Dispatch};
use crate::{
    engine::{LocalFuture, Preparation},
    error::Result,
};

/// Kernels that are being compiled.
pub struct Compiling {
    engine: Rc<Wgsl>,
    missing: Vec<Dispatch>,
    next: usize,
}

impl Compiling {
    /// Those of the dispatches whose kernels an engine lacks.
    pub fn new(engine: Rc<Wgsl>, missing: Vec<Dispatch>) -> Self {
        Self {
            engine,
            missing,
            next: 0,
        }
    }
}

impl Preparation for Compiling {
    fn pieces(&self) -> usize {
        self.missing.len()
    }

    fn next(&mut self) -> LocalFuture<'_, Result<bool>> {
        Box::pin(async move {
            let Some(dispatch) = self.missing.get(self.next) else {
                return Ok(false);
            };
            self.engine.gpu()?.compiled(dispatch).await?;
            self.next += 1;
            Ok(true)
        })
    }
}
