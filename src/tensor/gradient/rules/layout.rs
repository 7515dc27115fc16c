//! Operations that move elements without changing them.

use super::{Call, Gradients, gathered, lines, spread};
use crate::{
    engine::{
        Op,
        op::{PadMode, Rows},
    },
    tensor::Tensor,
};

pub fn rule(call: &mut Call) -> Gradients {
    let g = call.gradient.clone();
    let shape = call.shape(0).clone();
    let x = match call.op {
        Op::After => return vec![Some(g), None],
        Op::Concat(axis) => return concat(call, *axis, &g),
        Op::Reshape(_) => g.reshape(shape),
        Op::Permute(order) => {
            let mut back = vec![0; order.len()];
            for (to, &from) in order.iter().enumerate() {
                back[from] = to;
            }
            g.permute(&back)
        }
        Op::Slice { starts, steps, .. } => (0..shape.rank()).fold(g, |g, axis| {
            spread(&g, axis, starts[axis], steps[axis], shape[axis])
        }),
        Op::Pad {
            before,
            after,
            mode,
        } => (0..shape.rank()).fold(g, |g, axis| {
            let border = [before[axis], after[axis]];
            trim(&g, axis, border, shape[axis], *mode)
        }),
        Op::Expand(_) => gathered(&g, &shape),
        Op::Gather(Rows(rows)) => gather(rows, shape[0], &g),
        op => unreachable!("{op:?} does not only move elements"),
    };
    vec![Some(x)]
}

fn concat(call: &Call, axis: usize, g: &Tensor) -> Gradients {
    let mut start = 0;
    let parts = (0..call.operands()).map(|operand| {
        let end = start + call.shape(operand)[axis];
        let part = call.wants(operand).then(|| g.slice(axis, start..end));
        start = end;
        part
    });
    parts.collect()
}

/// Takes a border off one axis, and adds what stood in it to where it came from.
fn trim(
    g: &Tensor,
    axis: usize,
    [before, after]: [usize; 2],
    extent: usize,
    mode: PadMode,
) -> Tensor {
    if before + after == 0 {
        return g.clone();
    }
    if mode == PadMode::Zero {
        return g.slice(axis, before..before + extent);
    }
    let total = before + extent + after;
    let last = extent as isize - 1;
    let mut weights = vec![0.0; extent * total];
    for to in 0..total {
        let at = to as isize - before as isize;
        let from = match mode {
            PadMode::Reflect => last - (last - at.abs()).abs(),
            PadMode::Edge | PadMode::Zero => at.clamp(0, last),
        };
        weights[from as usize * total + to] = 1.0;
    }
    lines::along(g, axis, extent, weights)
}

/// Adds each row of the gradient to the row of the table that it came from.
fn gather(rows: &[u32], count: usize, g: &Tensor) -> Tensor {
    let mut hits = vec![0.0; count * rows.len()];
    for (at, &row) in rows.iter().enumerate() {
        hits[row as usize * rows.len() + at] = 1.0;
    }
    let hits = g.device().tensor([count, rows.len()], hits);
    hits.matmul(g, None)
}
