//! Sources that can be stopped: a loading asks them for every piece.

use std::{cell::Cell, ops::Range, rc::Rc};

use crate::{
    error::Error,
    weights::{
        WeightSource,
        source::{Files, Reading},
    },
};

/// A source that reads nothing any more once it is told to stop.
pub struct Interruptible {
    inner: Rc<dyn WeightSource>,
    stop: Rc<Cell<bool>>,
}

impl Interruptible {
    /// Lets `stop` end the reading.
    pub fn new(inner: Rc<dyn WeightSource>, stop: Rc<Cell<bool>>) -> Self {
        Self { inner, stop }
    }
}

impl WeightSource for Interruptible {
    fn place(&self) -> &str {
        self.inner.place()
    }

    fn size_bytes(&self) -> Reading<'_, u64> {
        self.inner.size_bytes()
    }

    fn read(&self, bytes: Range<u64>) -> Reading<'_, Vec<u8>> {
        if self.stop.get() {
            return Box::pin(async { Err(Error::Interrupted) });
        }
        self.inner.read(bytes)
    }
}

/// Files of which each is [`Interruptible`].
pub struct InterruptibleFiles {
    inner: Rc<dyn Files>,
    stop: Rc<Cell<bool>>,
}

impl InterruptibleFiles {
    /// Lets `stop` end the reading of any.
    pub fn new(inner: Rc<dyn Files>, stop: Rc<Cell<bool>>) -> Self {
        Self { inner, stop }
    }
}

impl Files for InterruptibleFiles {
    fn place(&self) -> &str {
        self.inner.place()
    }

    fn open<'a>(&'a self, path: &'a str) -> Reading<'a, Option<Rc<dyn WeightSource>>> {
        Box::pin(async move {
            let found = self.inner.open(path).await?;
            let source = |inner| Interruptible::new(inner, self.stop.clone());
            Ok(found.map(|inner| Rc::new(source(inner)) as Rc<dyn WeightSource>))
        })
    }
}
