//! The way back: from what a gradient is asked of to what it is asked for.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
};

use super::{
    super::{Shape, Tensor},
    record::{Record, Source},
    rules,
};
use crate::{engine::Op, error::Result};

/// The gradient with respect to each of `wrt`, given the gradient with respect to `of`.
pub fn back(of: &Tensor, seed: Tensor, wrt: &[&Tensor]) -> Result<Vec<Tensor>> {
    let zeros = |tensor: &Tensor| tensor.device.filled(tensor.shape.clone(), 0.0);
    let wanted: Vec<_> = wrt.iter().map(|tensor| tensor.origin.record()).collect();
    let mut found: HashMap<u64, Tensor> = HashMap::new();
    if let Some(record) = of.origin.record() {
        let ids = wanted.iter().flatten().map(|record| record.id).collect();
        let mut walk = Walk {
            dependent: dependent(record, &ids),
            again: Again::default(),
            waiting: BTreeMap::new(),
        };
        walk.meet(record, seed);
        while let Some((id, (record, gradient))) = walk.waiting.pop_last() {
            if ids.contains(&id) {
                found.insert(id, gradient.clone());
            }
            walk.pass(&record, gradient)?;
        }
    }
    let results = wrt.iter().zip(wanted).map(|(tensor, record)| {
        let gradient = record.and_then(|record| found.get(&record.id));
        gradient.cloned().unwrap_or_else(|| zeros(tensor))
    });
    Ok(results.collect())
}

/// The records between `of` and those wanted, both ends included.
fn dependent(of: &Rc<Record>, wanted: &HashSet<u64>) -> HashSet<u64> {
    let mut reached: BTreeMap<u64, Rc<Record>> = BTreeMap::new();
    let mut waiting = vec![of.clone()];
    while let Some(record) = waiting.pop() {
        if reached.insert(record.id, record.clone()).is_some() {
            continue;
        }
        for source in record.sources() {
            if let Source::Tracked(record) = source {
                waiting.push(record);
            }
        }
    }
    // Sources have smaller numbers than what is made of them.
    let mut dependent = HashSet::new();
    for (id, record) in reached {
        let depends = |source: &Source| match source {
            Source::Tracked(record) => dependent.contains(&record.id),
            Source::Plain(_) => false,
        };
        if wanted.contains(&id) || record.sources().iter().any(depends) {
            dependent.insert(id);
        }
    }
    dependent
}

struct Walk {
    dependent: HashSet<u64>,
    again: Again,
    /// Records that a gradient has reached, by number: the last one has met all that is made of it.
    waiting: BTreeMap<u64, (Rc<Record>, Tensor)>,
}

impl Walk {
    fn wants(&self, source: &Source) -> bool {
        match source {
            Source::Tracked(record) => self.dependent.contains(&record.id),
            Source::Plain(_) => false,
        }
    }

    /// Brings a gradient to a record, beside those that are there already.
    fn meet(&mut self, record: &Rc<Record>, gradient: Tensor) {
        let sum = match self.waiting.remove(&record.id) {
            Some((_, other)) => other.add(&gradient),
            None => gradient,
        };
        self.waiting.insert(record.id, (record.clone(), sum));
    }

    /// Takes a gradient from a record to its sources.
    fn pass(&mut self, record: &Rc<Record>, gradient: Tensor) -> Result<()> {
        if record.is_milestone() {
            self.again = Again::default();
        }
        let Some(op) = &record.op else { return Ok(()) };
        let sources = record.sources();
        let wants: Vec<_> = sources.iter().map(|source| self.wants(source)).collect();
        let mut call = Call {
            op,
            record,
            sources: &sources,
            wants: &wants,
            gradient,
            again: &mut self.again,
        };
        let gradients = rules::rule(&mut call)?;
        for ((source, gradient), wanted) in sources.iter().zip(gradients).zip(&wants) {
            if let (Source::Tracked(record), Some(gradient), true) = (source, gradient, wanted) {
                assert_eq!(gradient.shape, record.shape, "the gradient of {op:?}");
                self.meet(record, gradient);
            }
        }
        Ok(())
    }
}

/// Values that were forgotten and computed again, in the stretch that is being walked.
#[derive(Default)]
struct Again {
    made: HashMap<u64, Tensor>,
}

impl Again {
    /// A value, computed again if it has to be, and not before `token` is there: else a lazy engine might do it early and
    /// hold on to it.
    fn value(&mut self, record: &Rc<Record>, token: &Tensor) -> Tensor {
        match record.value() {
            Some(value) => value,
            None => self.remade(record, token),
        }
    }

    fn remade(&mut self, record: &Rc<Record>, token: &Tensor) -> Tensor {
        if let Some(made) = self.made.get(&record.id) {
            return made.clone();
        }
        let made = match (record.value(), &record.op) {
            (Some(value), _) => value.after(token),
            (None, Some(op)) => {
                let sources = record.sources();
                let operands: Vec<_> = sources
                    .iter()
                    .map(|source| match source {
                        Source::Tracked(record) => self.remade(record, token),
                        Source::Plain(tensor) => tensor.clone(),
                    })
                    .collect();
                let operands: Vec<_> = operands.iter().collect();
                Tensor::apply(op, &operands, record.shape.clone())
            }
            (None, None) => unreachable!("a leaf is a milestone, and those are not forgotten"),
        };
        self.made.insert(record.id, made.clone());
        made
    }
}

/// An operation on the way back: what its rule is told.
pub struct Call<'a> {
    pub op: &'a Op,
    record: &'a Rc<Record>,
    sources: &'a [Source],
    wants: &'a [bool],
    /// The gradient with respect to the operation's result.
    pub gradient: Tensor,
    again: &'a mut Again,
}

impl Call<'_> {
    /// How many operands there are.
    pub fn operands(&self) -> usize {
        self.sources.len()
    }

    /// Whether an operand's gradient is asked for.
    pub fn wants(&self, operand: usize) -> bool {
        self.wants.get(operand).copied().unwrap_or(false)
    }

    /// An operand's shape.
    pub fn shape(&self, operand: usize) -> &Shape {
        match &self.sources[operand] {
            Source::Tracked(record) => &record.shape,
            Source::Plain(tensor) => &tensor.shape,
        }
    }

    /// An operand. Ask only for those whose numbers matter: they may have to be computed again.
    pub fn operand(&mut self, operand: usize) -> Tensor {
        match &self.sources[operand] {
            Source::Tracked(record) => self.again.value(record, &self.gradient),
            Source::Plain(tensor) => tensor.clone(),
        }
    }

    /// The operation's result.
    pub fn result(&mut self) -> Tensor {
        self.again.value(self.record, &self.gradient)
    }
}
