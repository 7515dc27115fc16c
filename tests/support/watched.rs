//! A source of weights that is watched.

use std::{cell::Cell, ops::Range, rc::Rc};

use guidestar::weights::{WeightSource, source::Reading};

/// A source that remembers how it was read.
pub struct Watched {
    /// What is read.
    pub inner: Rc<dyn WeightSource>,
    /// How many reads there were.
    pub reads: Cell<usize>,
    /// Bytes of the longest one.
    pub longest: Cell<u64>,
}

impl Watched {
    /// Watches a source.
    pub fn new(inner: Rc<dyn WeightSource>) -> Self {
        Self {
            inner,
            reads: Cell::new(0),
            longest: Cell::new(0),
        }
    }
}

impl WeightSource for Watched {
    fn place(&self) -> &str {
        self.inner.place()
    }

    fn size_bytes(&self) -> Reading<'_, u64> {
        self.inner.size_bytes()
    }

    fn read(&self, bytes: Range<u64>) -> Reading<'_, Vec<u8>> {
        self.reads.set(self.reads.get() + 1);
        self.longest
            .set(self.longest.get().max(bytes.end - bytes.start));
        self.inner.read(bytes)
    }
}
