//! Every operation once more, as its definition says it: slow, literal, in f64.

mod layers;
mod layout;
mod math;
mod pictures;

use guidestar::engine::op::{Op, Rows, Scalar};

use super::Host;

/// What an operation should yield.
pub fn reference(op: &Op, inputs: &[Host]) -> Host {
    let x = &inputs[0];
    let of = |scalar: &Scalar| f64::from(scalar.0);
    match op {
        Op::Reshape(shape) => layout::reshape(x, shape),
        Op::Permute(order) => layout::permute(x, order),
        Op::Slice {
            starts,
            steps,
            shape,
        } => layout::slice(x, starts, steps, shape),
        Op::Concat(axis) => layout::concat(inputs, *axis),
        Op::Pad {
            before,
            after,
            mode,
        } => layout::pad(x, before, after, *mode),
        Op::Expand(shape) => layout::expand(x, shape),
        Op::Gather(Rows(rows)) => layout::gather(x, rows),
        Op::After => x.clone(),
        Op::Slope(function) => math::slope(x, *function, &inputs[1]),
        Op::Unary(function) => math::unary(x, *function),
        Op::Binary(function) => math::binary(x, &inputs[1], *function),
        Op::Select => math::select(x, &inputs[1], &inputs[2]),
        Op::Reduce(reduction, axes) => math::reduce(x, *reduction, axes),
        Op::Softmax => math::softmax(x),
        Op::Matmul { transposed, .. } => layers::matmul(x, &inputs[1], inputs.get(2), *transposed),
        Op::Conv2d { conv, .. } => layers::conv2d(x, &inputs[1], inputs.get(2), *conv),
        Op::GroupNorm { groups, eps } => {
            layers::group_norm(x, &inputs[1], &inputs[2], *groups, of(eps))
        }
        Op::LayerNorm { eps } => layers::layer_norm(x, &inputs[1], &inputs[2], of(eps)),
        Op::Geglu => layers::geglu(x),
        Op::Attention {
            heads,
            scale,
            causal,
        } => {
            let probs = layers::attention_probs(x, &inputs[1], *heads, of(scale), *causal);
            layers::attention_apply(&probs, &inputs[2])
        }
        Op::AttentionProbs {
            heads,
            scale,
            causal,
        } => layers::attention_probs(x, &inputs[1], *heads, of(scale), *causal),
        Op::AttentionApply => layers::attention_apply(x, &inputs[1]),
        Op::Resize {
            size,
            interpolation,
            antialias,
        } => pictures::resize(x, *size, *interpolation, *antialias),
        Op::Pool {
            pooling,
            kernel,
            stride,
            pad,
        } => pictures::pool(x, *pooling, *kernel, *stride, *pad),
    }
}
