//! Each operation's rule: from the gradient with respect to its result to that with respect to its operands.

mod attention;
mod layout;
mod lines;
mod math;
mod norms;
mod pictures;
mod products;

use super::{super::Tensor, walk::Call};
use crate::{engine::Op, error::Result};

/// A gradient for each operand that one is asked for.
type Gradients = Vec<Option<Tensor>>;

/// Applies an operation's rule.
pub fn rule(call: &mut Call) -> Result<Gradients> {
    Ok(match call.op {
        Op::Reshape(_)
        | Op::Permute(_)
        | Op::Slice { .. }
        | Op::Concat(_)
        | Op::Pad { .. }
        | Op::Expand(_)
        | Op::Gather(_)
        | Op::After => layout::rule(call),
        Op::Unary(_) | Op::Slope(_) | Op::Binary(_) | Op::Select | Op::Reduce(..) | Op::Softmax => {
            math::rule(call)?
        }
        Op::Matmul { .. } => products::matmul(call),
        Op::Conv2d { conv, bias } => products::conv2d(call, *conv, *bias)?,
        Op::GroupNorm { .. } | Op::LayerNorm { .. } | Op::Geglu => norms::rule(call)?,
        Op::Attention { .. } | Op::AttentionProbs { .. } | Op::AttentionApply => {
            attention::rule(call)
        }
        Op::Resize { .. } | Op::Pool { .. } => pictures::rule(call),
    })
}

/// The sum over what was repeated to make `gradient` from an operand of this shape.
fn gathered(gradient: &Tensor, shape: &[usize]) -> Tensor {
    let repeated: Vec<usize> = (0..shape.len())
        .filter(|&axis| shape[axis] == 1 && gradient.shape()[axis] > 1)
        .collect();
    if repeated.is_empty() {
        return gradient.clone();
    }
    gradient.sum(&repeated)
}

/// The indices that a slice with steps took, put back: zeros between, in front and behind.
///
/// `extent` is that of the axis the slice was taken from.
fn spread(x: &Tensor, axis: usize, start: usize, step: usize, extent: usize) -> Tensor {
    let count = x.shape()[axis];
    let mut dims = x.shape().to_vec();
    let mut x = x.clone();
    let mut length = count;
    if step > 1 {
        // [..., count, ...] as [..., count, 1, ...], grown to [..., count, step, ...].
        let mut split = dims.clone();
        split.insert(axis + 1, 1);
        let mut behind = vec![0; split.len()];
        behind[axis + 1] = step - 1;
        let grown = x.reshape(split.clone()).pad(
            &vec![0; split.len()],
            &behind,
            super::super::PadMode::Zero,
        );
        dims[axis] = count * step;
        length = (count - 1) * step + 1;
        x = grown.reshape(dims.clone()).slice(axis, 0..length);
    }
    let mut before = vec![0; dims.len()];
    let mut after = before.clone();
    before[axis] = start;
    after[axis] = extent - start - length;
    x.pad(&before, &after, super::super::PadMode::Zero)
}
