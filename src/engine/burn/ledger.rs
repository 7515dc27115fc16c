//! What the eager engine holds and has done.

use std::{cell::Cell, rc::Rc};

use super::operand::Flat;
use crate::engine::{Counters, DType, Footprint};

/// Running totals of one engine. Views that share their elements count in full: burn does not say which do.
#[derive(Default)]
pub(super) struct Ledger {
    operations: Cell<u64>,
    tensors: Cell<u64>,
    constant_bytes: Cell<u64>,
    other_bytes: Cell<u64>,
    other_peak_bytes: Cell<u64>,
    largest_bytes: Cell<u64>,
}

impl Ledger {
    pub(super) fn count_operation(&self) {
        self.operations.set(self.operations.get() + 1);
    }

    pub(super) fn counters(&self) -> Counters {
        Counters {
            allocations: self.tensors.get(),
            allocated_bytes: self.constant_bytes.get() + self.other_bytes.get(),
            dispatches: self.operations.get(),
            ..Counters::default()
        }
    }

    pub(super) fn footprint(&self) -> Footprint {
        Footprint {
            constant_bytes: self.constant_bytes.get(),
            intermediate_bytes: self.other_peak_bytes.get(),
            largest_bytes: self.largest_bytes.get(),
        }
    }

    fn total(&self, constant: bool) -> &Cell<u64> {
        if constant {
            &self.constant_bytes
        } else {
            &self.other_bytes
        }
    }
}

/// A tensor and its entry in the ledger, struck out when it is dropped.
pub(super) struct Held {
    flat: Flat,
    constant: bool,
    bytes: u64,
    ledger: Rc<Ledger>,
}

impl Held {
    pub(super) fn new(ledger: &Rc<Ledger>, flat: Flat, constant: bool) -> Self {
        let bytes = flat.dims()[0] as u64 * DType::F32.bytes();
        let total = ledger.total(constant);
        total.set(total.get() + bytes);
        ledger.tensors.set(ledger.tensors.get() + 1);
        let peak = ledger.other_peak_bytes.get().max(ledger.other_bytes.get());
        ledger.other_peak_bytes.set(peak);
        ledger
            .largest_bytes
            .set(ledger.largest_bytes.get().max(bytes));
        Self {
            flat,
            constant,
            bytes,
            ledger: ledger.clone(),
        }
    }

    pub(super) fn flat(&self) -> &Flat {
        &self.flat
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let total = self.ledger.total(self.constant);
        total.set(total.get() - self.bytes);
    }
}
