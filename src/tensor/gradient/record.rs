//! What a tensor remembers of where it came from.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
};

use super::super::{Device, Shape, Tensor};
use crate::engine::{Op, Value, op::Binary};

/// What is kept of the way forward until a gradient has gone back over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Everything: nothing is computed twice.
    #[default]
    All,
    /// What was marked by [`Tensor::milestone`]; the rest is computed again, a stretch at a time.
    Milestones,
}

/// Where a tensor's numbers come from.
#[derive(Clone, Default)]
pub enum Origin {
    /// From nothing that a gradient is asked for.
    #[default]
    Plain,
    /// They stay, and so may what a rule lays out anew of them.
    Constant(Rc<OnceCell<Tensor>>),
    /// From a tensor that is tracked, or they are one's own.
    Tracked(Rc<Record>),
}

impl Origin {
    /// Of a tensor that begins to be tracked.
    pub fn leaf(tensor: &Tensor, keep: Keep) -> Self {
        if let Self::Tracked(_) = &tensor.origin {
            return tensor.origin.clone();
        }
        Self::Tracked(Record::new(tensor, keep, None, Vec::new()))
    }

    /// Of an operation's result.
    pub fn of(op: &Op, inputs: &[&Tensor], result: &Tensor) -> Self {
        let mut records = inputs.iter().filter_map(|input| input.origin.record());
        let Some(first) = records.next() else {
            return Self::Plain;
        };
        if is_flat(op) {
            return Self::Plain;
        }
        let sparing =
            first.keep == Keep::Milestones || records.any(|record| record.keep == Keep::Milestones);
        let keep = if sparing { Keep::Milestones } else { Keep::All };
        let sources = inputs.iter().map(|input| Source::of(input)).collect();
        Self::Tracked(Record::new(result, keep, Some(op.clone()), sources))
    }

    /// What a tracked tensor remembers.
    pub fn record(&self) -> Option<&Rc<Record>> {
        match self {
            Self::Tracked(record) => Some(record),
            _ => None,
        }
    }
}

/// Whether an operation's result does not change when its operands do a little.
fn is_flat(op: &Op) -> bool {
    matches!(
        op,
        Op::Binary(Binary::Greater | Binary::GreaterEqual | Binary::Equal)
    )
}

/// An operand of a recorded operation.
#[derive(Clone)]
pub enum Source {
    /// One that gradients go back to.
    Tracked(Rc<Record>),
    /// Any other.
    Plain(Tensor),
}

impl Source {
    fn of(tensor: &Tensor) -> Self {
        match tensor.origin.record() {
            Some(record) => Self::Tracked(record.clone()),
            None => Self::Plain(tensor.clone()),
        }
    }
}

/// How a tensor was made.
pub struct Record {
    /// Later records have greater numbers.
    pub id: u64,
    pub device: Device,
    pub shape: Shape,
    /// None for a tensor that was tracked from the outset.
    pub op: Option<Op>,
    sources: RefCell<Vec<Source>>,
    keep: Keep,
    /// The numbers, unless they were forgotten.
    value: RefCell<Option<Value>>,
    is_milestone: Cell<bool>,
}

impl Record {
    fn new(made: &Tensor, keep: Keep, op: Option<Op>, sources: Vec<Source>) -> Rc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Rc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            device: made.device.clone(),
            shape: made.shape.clone(),
            is_milestone: Cell::new(op.is_none()),
            op,
            sources: RefCell::new(sources),
            keep,
            value: RefCell::new(Some(made.value.clone())),
        })
    }

    /// The operands, in order.
    pub fn sources(&self) -> Vec<Source> {
        self.sources.borrow().clone()
    }

    /// The numbers, unless they were forgotten.
    pub fn value(&self) -> Option<Tensor> {
        let value = self.value.borrow().clone()?;
        let (device, shape) = (self.device.clone(), self.shape.clone());
        Some(Tensor::from_value(device, shape, value))
    }

    /// Whether others are computed again from this.
    pub fn is_milestone(&self) -> bool {
        self.is_milestone.get()
    }

    /// Forgets what led here from the milestones before.
    pub fn keep_only_this(&self) {
        if self.keep == Keep::All || self.is_milestone.replace(true) {
            return;
        }
        let mut waiting = self.tracked_sources();
        while let Some(record) = waiting.pop() {
            if !record.is_milestone() && record.value.take().is_some() {
                waiting.extend(record.tracked_sources());
            }
        }
    }

    fn tracked_sources(&self) -> Vec<Rc<Self>> {
        let sources = self.sources.borrow();
        let tracked = sources.iter().filter_map(|source| match source {
            Source::Tracked(record) => Some(record.clone()),
            Source::Plain(_) => None,
        });
        tracked.collect()
    }
}

impl Drop for Record {
    /// One after the other: what led to a tensor may be longer than the stack is deep.
    fn drop(&mut self) {
        let mut waiting = self.sources.take();
        while let Some(source) = waiting.pop() {
            if let Source::Tracked(record) = source
                && let Ok(record) = Rc::try_unwrap(record)
            {
                waiting.append(&mut record.sources.take());
            }
        }
    }
}
