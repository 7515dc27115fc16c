//! Operations that move elements without changing them.

use burn::tensor::{Device, Int, Slice, Tensor, TensorData, ops};

use super::operand::{Flat, Operand, RANK, dims, flatten, lead};
use crate::engine::{Shape, op::PadMode};

pub(super) fn permute(x: &Operand, order: &[usize]) -> Flat {
    let lead = lead(order.len());
    let axes =
        std::array::from_fn::<_, RANK, _>(|i| if i < lead { i } else { lead + order[i - lead] });
    flatten(x.full().permute(axes))
}

pub(super) fn slice(x: &Operand, starts: &[usize], steps: &[usize], shape: &Shape) -> Flat {
    let lead = lead(starts.len());
    let ranges = std::array::from_fn::<_, RANK, _>(|i| {
        if i < lead {
            return Slice::new(0, Some(1), 1);
        }
        let [start, step, count] = [starts[i - lead], steps[i - lead], shape[i - lead]];
        let end = start + (count - 1) * step + 1;
        Slice::new(start as isize, Some(end as isize), step as isize)
    });
    flatten(x.full().slice(ranges))
}

pub(super) fn concat(inputs: &[Operand], axis: usize) -> Flat {
    // Everything outside and inside the axis is one axis each: three are enough for any rank.
    let tensors = inputs
        .iter()
        .map(|x| {
            let outer = x.shape[..axis].iter().product();
            let inner = x.shape[axis + 1..].iter().product();
            x.view([outer, x.shape[axis], inner])
        })
        .collect();
    flatten(Tensor::cat(tensors, 1))
}

pub(super) fn pad(x: &Operand, before: &[usize], after: &[usize], mode: PadMode) -> Flat {
    let lead = lead(before.len());
    let pairs = std::array::from_fn::<_, RANK, _>(|i| match i.checked_sub(lead) {
        Some(axis) => (before[axis], after[axis]),
        None => (0, 0),
    });
    let mode = match mode {
        PadMode::Zero => ops::PadMode::Constant(0.0),
        PadMode::Reflect => ops::PadMode::Reflect,
        PadMode::Edge => ops::PadMode::Edge,
    };
    flatten(x.full().pad(pairs, mode))
}

pub(super) fn expand(x: &Operand, shape: &Shape) -> Flat {
    flatten(x.full().expand(dims(shape)))
}

pub(super) fn gather(table: &Operand, rows: &[u32], device: &Device) -> Flat {
    let rows = indices(rows.iter().map(|&row| row as usize), device);
    flatten(table.exact::<2>().select(0, rows))
}

/// Row numbers on the device.
pub(super) fn indices(rows: impl Iterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = rows.map(|row| row as i32).collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), device)
}
