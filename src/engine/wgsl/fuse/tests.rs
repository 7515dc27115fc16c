//! Which operations become one step.

use super::*;
use crate::engine::{
    Engine, Value,
    op::{Conv, Scalar, Unary},
    wgsl::{
        graph::Node,
        planner,
        step::{Limits, Storage},
    },
};
use std::rc::Rc;

/// Writes graphs down; the engine only plans.
struct Graph(Rc<dyn Engine>);

impl Graph {
    fn new() -> Self {
        Self(planner(Limits {
            storage: Storage::F16,
            software: false,
            binding_bytes: 128 << 20,
            buffer_bytes: 256 << 20,
            workgroup_bytes: 16 << 10,
            invocations: 256,
            storage_buffers: 8,
            workgroups: 65535,
        }))
    }

    fn input(&self, shape: impl Into<Shape>) -> (Value, Shape) {
        let shape = shape.into();
        (self.0.input(&shape, Vec::new()), shape)
    }

    fn apply(
        &self,
        op: &Op,
        inputs: &[&(Value, Shape)],
        shape: impl Into<Shape>,
    ) -> (Value, Shape) {
        let shape = shape.into();
        let pairs: Vec<_> = inputs.iter().map(|(value, shape)| (value, shape)).collect();
        (self.0.apply(op, &pairs, &shape), shape)
    }
}

/// The steps that lead to these, without their shapes.
fn steps(roots: &[&(Value, Shape)]) -> Vec<String> {
    let nodes: Vec<_> = roots.iter().map(|(value, _)| Node::of(value)).collect();
    let program = program(&Line::up_to(&nodes), true);
    let labels = program.tasks.iter().map(|task| task.step.to_string());
    labels
        .map(|label| label.split(" [").next().unwrap_or_default().to_owned())
        .collect()
}

const MAP: [usize; 4] = [2, 8, 8, 16];

#[test]
fn a_residual_block_on_a_concatenation_is_five_steps() {
    let graph = Graph::new();
    let norm = || Op::GroupNorm {
        groups: 4,
        eps: Scalar(1e-5),
    };
    let conv = |pad| Op::Conv2d {
        conv: Conv::padded(pad),
        bias: false,
    };
    let silu = || Op::Unary(Unary::Silu);
    let (x, skip) = (graph.input(MAP), graph.input(MAP));
    let (wide, narrow) = (graph.input([32]), graph.input([16]));
    let (row, shortcut) = (graph.input([2, 1, 1, 16]), graph.input([1, 1, 32, 16]));
    let (first, second) = (graph.input([3, 3, 32, 16]), graph.input([3, 3, 16, 16]));

    let both = graph.apply(&Op::Concat(3), &[&x, &skip], [2, 8, 8, 32]);
    let hidden = graph.apply(&norm(), &[&both, &wide, &wide], [2, 8, 8, 32]);
    let hidden = graph.apply(&silu(), &[&hidden], [2, 8, 8, 32]);
    let hidden = graph.apply(&conv(1), &[&hidden, &first], MAP);
    let hidden = graph.apply(&Op::Binary(Binary::Add), &[&hidden, &row], MAP);
    let hidden = graph.apply(&norm(), &[&hidden, &narrow, &narrow], MAP);
    let hidden = graph.apply(&silu(), &[&hidden], MAP);
    let hidden = graph.apply(&conv(1), &[&hidden, &second], MAP);
    let straight = graph.apply(&conv(0), &[&both, &shortcut], MAP);
    let result = graph.apply(&Op::Binary(Binary::Add), &[&straight, &hidden], MAP);
    assert_eq!(
        steps(&[&result]),
        [
            "Conv2d of a concatenation",
            "GroupNorm of a concatenation + Unary(Silu)",
            "Conv2d + AddRow",
            "GroupNorm + Unary(Silu)",
            "Conv2d + Add",
        ]
    );
}

#[test]
fn what_is_read_twice_or_asked_for_is_stored_as_it_is() {
    let graph = Graph::new();
    let (x, weight) = (graph.input([4, 16]), graph.input([16, 16]));
    let matmul = Op::Matmul {
        transposed: false,
        bias: false,
    };
    let product = graph.apply(&matmul, &[&x, &weight], [4, 16]);
    let silu = graph.apply(&Op::Unary(Unary::Silu), &[&product], [4, 16]);
    assert_eq!(steps(&[&silu]), ["Matmul + Unary(Silu)"]);
    assert_eq!(steps(&[&silu, &product]), ["Matmul", "Unary(Silu)"]);
    let both = graph.apply(&Op::Binary(Binary::Mul), &[&silu, &product], [4, 16]);
    assert_eq!(steps(&[&both]), ["Matmul", "Unary(Silu)", "Binary(Mul)"]);
}

#[test]
fn a_reshape_is_a_step_only_when_it_moves_the_padding() {
    let graph = Graph::new();
    let x = graph.input([2, 4, 6]);
    let whole = graph.apply(&Op::Reshape([8, 6].into()), &[&x], [8, 6]);
    let moved = graph.apply(&Op::Reshape([2, 24].into()), &[&x], [2, 24]);
    assert!(steps(&[&whole]).is_empty());
    assert_eq!(steps(&[&moved]).len(), 1);
}
