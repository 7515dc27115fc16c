//! Turns a graph into steps: operations with what follows them folded in.

use super::{
    graph::{Content, Line},
    step::Step,
};
use crate::engine::{Op, Shape};

/// A step and where it finds its tensors. A tensor is named by the node whose elements it holds.
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

/// Turns a graph into steps.
pub fn program(line: &Line, _fuse: bool) -> Program {
    let mut builder = Builder {
        line,
        homes: Vec::with_capacity(line.nodes.len()),
        tasks: Vec::new(),
    };
    for at in 0..line.nodes.len() {
        builder.visit(at);
    }
    Program {
        roots: line.roots.iter().map(|&root| builder.homes[root]).collect(),
        tasks: builder.tasks,
    }
}

struct Builder<'a> {
    line: &'a Line,
    /// The tensor that holds each node's elements.
    homes: Vec<usize>,
    tasks: Vec<Task>,
}

impl Builder<'_> {
    fn visit(&mut self, at: usize) {
        let entry = &self.line.nodes[at];
        let content = entry.node.content();
        let Content::Op { op, .. } = &*content else {
            self.homes.push(at);
            return;
        };
        let shapes = entry.inputs.iter();
        let shapes: Vec<Shape> = shapes
            .map(|&input| self.line.nodes[input].node.shape.clone())
            .collect();
        if let Op::Reshape(shape) = op
            && keeps_layout(&shapes[0], shape)
        {
            self.homes.push(self.homes[entry.inputs[0]]);
            return;
        }
        self.tasks.push(Task {
            step: Step {
                op: op.clone(),
                joined: false,
                enlarged: false,
                after: Vec::new(),
                operands: shapes,
                output: entry.node.shape.clone(),
            },
            operands: entry
                .inputs
                .iter()
                .map(|&input| self.homes[input])
                .collect(),
            output: at,
            nodes: vec![at],
        });
        self.homes.push(at);
    }
}

/// Whether the bytes of a tensor are the same under both shapes: the padding stays where it is.
fn keeps_layout(from: &Shape, to: &Shape) -> bool {
    from.last() == to.last() || (from.last().is_multiple_of(4) && to.last().is_multiple_of(4))
}
