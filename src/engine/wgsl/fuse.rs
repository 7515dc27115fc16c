//! Turns a graph into steps: operations with what surrounds them folded in.
//!
//! Three kinds of folding. A reshape that leaves the bytes where they are is no step at all: two nodes name one
//! tensor. What is done to a result that nobody else reads (an activation, a residual, a timestep's row, GEGLU) joins
//! the step that makes it. A concatenation or enlargement that all its readers can read through is never made.

use std::collections::HashMap;

use super::{
    graph::{Content, Line},
    kernels,
    step::{After, Step},
};
use crate::engine::{
    Op, Shape,
    op::{Binary, Interpolation},
};

/// A step and where it finds its tensors. A tensor is named by the node whose elements it holds.
#[derive(Clone)]
pub struct Task {
    pub step: Step,
    pub operands: Vec<usize>,
    pub output: usize,
    /// The nodes that the step's scalars, and its rows, come from, in the step's order.
    pub nodes: Vec<usize>,
}

/// Steps in order.
pub struct Program {
    pub tasks: Vec<Task>,
    /// The tensor that holds each root's elements.
    pub roots: Vec<usize>,
}

/// Turns a graph into steps; each operation is a step of its own unless `fuse`.
pub fn program(line: &Line, fuse: bool) -> Program {
    let mut builder = Builder::new(line);
    for at in 0..line.nodes.len() {
        builder.visit(at, fuse);
    }
    let tensor = |&root: &usize| match builder.homes[root] {
        Home::Tensor(tensor) => tensor,
        Home::Parts => unreachable!("a root is made"),
    };
    Program {
        roots: line.roots.iter().map(tensor).collect(),
        tasks: builder.tasks.into_iter().flatten().collect(),
    }
}

/// Where a node's elements are.
#[derive(Clone, Copy)]
enum Home {
    /// In the tensor that this node names.
    Tensor(usize),
    /// In its inputs: it is never made, its readers read through it.
    Parts,
}

struct Builder<'a> {
    line: &'a Line,
    /// For each node: those that read it, once for each time.
    readers: Vec<Vec<usize>>,
    is_root: Vec<bool>,
    /// For each node that was visited: where its elements are.
    homes: Vec<Home>,
    /// Tasks in order; a gap where one was moved behind others.
    tasks: Vec<Option<Task>>,
    /// The position of the task that makes a tensor.
    makers: HashMap<usize, usize>,
}

impl<'a> Builder<'a> {
    fn new(line: &'a Line) -> Self {
        let count = line.nodes.len();
        let mut builder = Self {
            line,
            readers: vec![Vec::new(); count],
            is_root: vec![false; count],
            homes: Vec::with_capacity(count),
            tasks: Vec::new(),
            makers: HashMap::new(),
        };
        for (at, entry) in line.nodes.iter().enumerate() {
            for &input in &entry.inputs {
                builder.readers[input].push(at);
            }
        }
        for &root in &line.roots {
            builder.is_root[root] = true;
        }
        builder
    }

    fn visit(&mut self, at: usize, fuse: bool) {
        let home = self.home(at, fuse);
        self.homes.push(home);
    }

    fn home(&mut self, at: usize, fuse: bool) -> Home {
        let line = self.line;
        let Content::Op { op, .. } = &*line.nodes[at].node.content() else {
            return Home::Tensor(at);
        };
        if self.is_view(at, op) {
            return self.homes[line.nodes[at].inputs[0]];
        }
        if fuse && self.join_maker(at, op) {
            return Home::Tensor(at);
        }
        if fuse && self.is_read_through(at, op) {
            return Home::Parts;
        }
        let task = self.task(at, None);
        self.push(task);
        Home::Tensor(at)
    }

    fn shape(&self, at: usize) -> &Shape {
        &self.line.nodes[at].node.shape
    }

    /// The tensor that holds a node's elements, when it is made.
    fn tensor(&self, at: usize) -> Option<usize> {
        match self.homes[at] {
            Home::Tensor(tensor) => Some(tensor),
            Home::Parts => None,
        }
    }

    fn push(&mut self, task: Task) {
        self.makers.insert(task.output, self.tasks.len());
        self.tasks.push(Some(task));
    }

    /// Whether a node is another name for its input's tensor.
    fn is_view(&self, at: usize, op: &Op) -> bool {
        let shape = match op {
            Op::Reshape(shape) => shape,
            Op::After => return true,
            _ => return false,
        };
        let input = self.line.nodes[at].inputs[0];
        self.homes
            .get(input)
            .is_some_and(|home| matches!(home, Home::Tensor(_)))
            && keeps_layout(self.shape(input), shape)
    }

    /// The step of a node by itself, reading through `parts` and through all inputs that are not made.
    fn task(&self, at: usize, parts: Option<usize>) -> Task {
        let line = self.line;
        let entry = &line.nodes[at];
        let Content::Op { op, .. } = &*entry.node.content() else {
            unreachable!("a leaf is not computed")
        };
        let mut task = Task {
            step: Step {
                op: op.clone(),
                joined: false,
                enlarged: false,
                after: Vec::new(),
                operands: Vec::new(),
                output: entry.node.shape.clone(),
            },
            operands: Vec::new(),
            output: at,
            nodes: vec![at],
        };
        for &input in &entry.inputs {
            let through = parts == Some(input)
                || self
                    .homes
                    .get(input)
                    .is_some_and(|home| matches!(home, Home::Parts));
            let sources = if through {
                let inputs = &line.nodes[input].inputs;
                task.step.joined |= inputs.len() == 2;
                task.step.enlarged |= inputs.len() == 1;
                &inputs[..]
            } else {
                std::slice::from_ref(&input)
            };
            for &source in sources {
                task.step.operands.push(self.shape(source).clone());
                // A reader that is only tried may have inputs that were not visited yet.
                let tensor = self.homes.get(source).and_then(|_| self.tensor(source));
                task.operands.push(tensor.unwrap_or(source));
            }
        }
        task
    }

    /// Whether a node is a concatenation or an enlargement that need not be made, because all its readers can read
    /// through it.
    fn is_read_through(&self, at: usize, op: &Op) -> bool {
        let inputs = &self.line.nodes[at].inputs;
        let made = inputs.iter().all(|&input| self.tensor(input).is_some());
        let shape = self.shape(at);
        let folds = match op {
            Op::Concat(axis) => inputs.len() == 2 && axis + 1 == shape.rank(),
            Op::Resize {
                size: [h, w],
                interpolation: Interpolation::Nearest,
                ..
            } => {
                let from = self.shape(inputs[0]);
                [*h, *w] == [2 * from[1], 2 * from[2]]
            }
            _ => false,
        };
        let reads = |&reader: &usize| {
            let entry = &self.line.nodes[reader];
            let first_only = entry.inputs[0] == at && !entry.inputs[1..].contains(&at);
            first_only && kernels::supports(&self.task(reader, Some(at)).step)
        };
        folds && made && !self.is_root[at] && self.readers[at].iter().all(reads)
    }

    /// Lets the step that makes one of a node's inputs do the node's work as well.
    fn join_maker(&mut self, at: usize, op: &Op) -> bool {
        let inputs = &self.line.nodes[at].inputs;
        match op {
            Op::Unary(unary) => self.absorb(at, inputs[0], After::Unary(*unary), None),
            Op::Geglu => self.absorb(at, inputs[0], After::Geglu, None),
            Op::Binary(Binary::Add) => {
                // The later of both makers first: it finds the other's result ready.
                let mut pairs = [(inputs[0], inputs[1]), (inputs[1], inputs[0])];
                pairs.sort_by_key(|(x, _)| std::cmp::Reverse(self.made_at(*x)));
                pairs.into_iter().any(|(x, other)| {
                    self.shape(x) == self.shape(at)
                        && self
                            .addition(x, other)
                            .is_some_and(|after| self.absorb(at, x, after, Some(other)))
                })
            }
            _ => false,
        }
    }

    /// How `other` is added to `x`, when it is in a way that steps know.
    fn addition(&self, x: usize, other: usize) -> Option<After> {
        let [x, other] = [x, other].map(|at| self.shape(at));
        let rank = x.rank();
        let is_row = rank > 2
            && other[0] == x[0]
            && other.last() == x.last()
            && other[1..rank - 1].iter().all(|&extent| extent == 1);
        if x == other {
            Some(After::Add)
        } else {
            is_row.then_some(After::AddRow)
        }
    }

    /// The position of the task that makes a node's elements.
    fn made_at(&self, at: usize) -> Option<usize> {
        self.makers.get(&self.tensor(at)?).copied()
    }

    /// Lets the step that makes `x` do what `at` does to it, when nobody else reads `x`.
    fn absorb(&mut self, at: usize, x: usize, after: After, other: Option<usize>) -> bool {
        let Some(maker) = self.made_at(x).filter(|_| self.is_private(x)) else {
            return false;
        };
        let mut task = self.tasks[maker]
            .clone()
            .expect("a maker is where it was put");
        let mut place = maker;
        if let Some(other) = other {
            let Some(tensor) = self.tensor(other) else {
                return false;
            };
            let shape = match after {
                // The step may see the elements under another shape than the node does.
                After::Add => task.step.output.clone(),
                _ => self.shape(other).clone(),
            };
            let fits = shape[0] == task.step.output[0] && shape.last() == task.step.output.last();
            if !fits {
                return false;
            }
            task.step.operands.push(shape);
            task.operands.push(tensor);
            if self.made_at(other) > Some(maker) {
                place = self.tasks.len();
            }
        }
        if matches!(after, After::Geglu) {
            let columns = task.step.output.last() / 2;
            task.step.output = task.step.output.with_last(columns);
        }
        task.step.after.push(after);
        if !kernels::supports(&task.step) {
            return false;
        }
        self.makers.remove(&task.output);
        task.output = at;
        task.nodes.push(at);
        self.tasks[maker] = None;
        if place == self.tasks.len() {
            self.push(task);
        } else {
            self.makers.insert(at, place);
            self.tasks[place] = Some(task);
        }
        true
    }

    /// Whether a node, and every other name of its tensor, has one reader.
    fn is_private(&self, at: usize) -> bool {
        let mut at = at;
        loop {
            if self.is_root[at] || self.readers[at].len() != 1 {
                return false;
            }
            if self.tensor(at) == Some(at) {
                return true;
            }
            at = self.line.nodes[at].inputs[0];
        }
    }
}

/// Whether the bytes of a tensor are the same under both shapes: the padding stays where it is.
fn keeps_layout(from: &Shape, to: &Shape) -> bool {
    from.last() == to.last() || (from.last().is_multiple_of(4) && to.last().is_multiple_of(4))
}

#[cfg(test)]
mod tests;
