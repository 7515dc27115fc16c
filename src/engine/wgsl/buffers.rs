//! Buffers on the device: how many bytes are alive, and those that wait to be used again.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use super::gpu::Gpu;
use crate::engine::Counters;

/// Bytes that waiting buffers may hold; beyond it they are freed.
const WAITING_BYTES: u64 = 256 << 20;

/// What has been done so far.
#[derive(Default)]
pub struct Tally {
    counters: Cell<Counters>,
    /// Bytes of the last allocation: the one that failed, when one did.
    last_bytes: Cell<u64>,
}

impl Tally {
    /// The counts.
    pub fn counters(&self) -> Counters {
        self.counters.get()
    }

    /// Bytes of the last allocation.
    pub fn last_bytes(&self) -> u64 {
        self.last_bytes.get()
    }

    /// Changes the counts.
    pub fn count(&self, change: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }
}

/// A buffer that is counted while it lives, and goes back to its pool when it has one.
pub struct Buffer {
    raw: Option<wgpu::Buffer>,
    tally: Rc<Tally>,
    pool: Weak<Pool>,
}

/// What a buffer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Tensors.
    Storage,
    /// Uniform blocks.
    Uniform,
    /// Timestamps.
    Queries,
    /// Bytes on their way to the host.
    Staging,
}

impl Use {
    fn usages(self) -> wgpu::BufferUsages {
        use wgpu::BufferUsages as Usages;
        match self {
            Self::Storage => Usages::STORAGE | Usages::COPY_SRC | Usages::COPY_DST,
            Self::Uniform => Usages::UNIFORM | Usages::COPY_DST,
            Self::Queries => Usages::QUERY_RESOLVE | Usages::COPY_SRC,
            Self::Staging => Usages::MAP_READ | Usages::COPY_DST,
        }
    }
}

impl Buffer {
    /// A new buffer.
    pub fn new(gpu: &Gpu, bytes: u64, purpose: Use) -> Self {
        let raw = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes,
            usage: purpose.usages(),
            mapped_at_creation: false,
        });
        gpu.tally.last_bytes.set(bytes);
        gpu.tally.count(|counters| {
            counters.allocations += 1;
            counters.allocated_bytes += bytes;
        });
        Self {
            raw: Some(raw),
            tally: gpu.tally.clone(),
            pool: Weak::new(),
        }
    }

    /// Keeps it from going back to a pool when it is dropped.
    pub fn leave(&mut self) {
        self.pool = Weak::new();
    }

    /// Lets it go to this pool when it is dropped.
    pub fn join(&mut self, pool: &Rc<Pool>) {
        self.pool = Rc::downgrade(pool);
    }

    /// The buffer itself.
    pub fn raw(&self) -> &wgpu::Buffer {
        self.raw
            .as_ref()
            .expect("a buffer is taken only when it is dropped")
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(raw) = self.raw.take() else { return };
        if let Some(pool) = self.pool.upgrade() {
            pool.put(raw, &self.tally);
        } else {
            free(&raw, &self.tally);
        }
    }
}

fn free(raw: &wgpu::Buffer, tally: &Tally) {
    tally.count(|counters| counters.allocated_bytes -= raw.size());
}

/// Buffers that were let go of, for the next run: of results, or of bytes on their way to the host.
pub struct Pool {
    purpose: Use,
    waiting: RefCell<Vec<wgpu::Buffer>>,
}

impl Pool {
    /// An empty pool.
    pub fn new(purpose: Use) -> Rc<Self> {
        Rc::new(Self {
            purpose,
            waiting: RefCell::default(),
        })
    }

    /// A buffer of exactly that many bytes, so that what a run takes is what was planned.
    pub fn get(self: &Rc<Self>, gpu: &Gpu, bytes: u64) -> Buffer {
        let mut waiting = self.waiting.borrow_mut();
        let found = waiting.iter().position(|raw| raw.size() == bytes);
        let mut buffer = match found {
            Some(at) => Buffer {
                raw: Some(waiting.remove(at)),
                tally: gpu.tally.clone(),
                pool: Weak::new(),
            },
            None => Buffer::new(gpu, bytes, self.purpose),
        };
        buffer.join(self);
        buffer
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> u64 {
        self.waiting.borrow().iter().map(wgpu::Buffer::size).sum()
    }

    /// Frees what waits.
    pub fn clear(&self, tally: &Tally) {
        for raw in self.waiting.borrow_mut().drain(..) {
            free(&raw, tally);
        }
    }

    fn put(&self, raw: wgpu::Buffer, tally: &Tally) {
        self.waiting.borrow_mut().push(raw);
        while self.bytes() > WAITING_BYTES {
            let oldest = self.waiting.borrow_mut().remove(0);
            free(&oldest, tally);
        }
    }
}
