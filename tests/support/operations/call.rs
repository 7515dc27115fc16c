//! An operation as the tensor's method, so that the shapes it computes are judged too.

use guidestar::{
    engine::op::{Binary, Op, Reduction, Rows},
    tensor::Tensor,
};

/// Applies an operation to tensors.
pub fn call(op: &Op, inputs: &[Tensor]) -> Tensor {
    let x = &inputs[0];
    let second = inputs.get(1);
    let y = || second.expect("a second tensor");
    let z = || inputs.get(2).expect("a third tensor");
    match op {
        Op::Reshape(shape) => x.reshape(shape.clone()),
        Op::Permute(order) => x.permute(order),
        Op::Slice {
            starts,
            steps,
            shape,
        } => (0..starts.len()).fold(x.clone(), |x, axis| {
            let end = starts[axis] + (shape[axis] - 1) * steps[axis] + 1;
            x.slice_by(axis, starts[axis]..end, steps[axis])
        }),
        Op::Concat(axis) => Tensor::concat(&inputs.iter().collect::<Vec<_>>(), *axis),
        Op::Pad {
            before,
            after,
            mode,
        } => x.pad(before, after, *mode),
        Op::Expand(shape) => x.expand(shape.clone()),
        Op::Gather(Rows(rows)) => x.gather(rows),
        Op::After => x.after(y()),
        Op::Slope(function) => x.slope(*function, y()),
        Op::Unary(function) => x.unary(*function),
        Op::Binary(function) => match *function {
            Binary::Add => x.add(y()),
            Binary::Sub => x.sub(y()),
            Binary::Mul => x.mul(y()),
            Binary::Div => x.div(y()),
            Binary::Min => x.min(y()),
            Binary::Max => x.max(y()),
            Binary::Greater => x.greater(y()),
            Binary::GreaterEqual => x.greater_equal(y()),
            Binary::Equal => x.equal(y()),
            Binary::Mix(a, b) => x.mix(f64::from(a.0), y(), f64::from(b.0)),
        },
        Op::Select => x.select(y(), z()),
        Op::Reduce(reduction, axes) => match reduction {
            Reduction::Sum => x.sum(axes),
            Reduction::Mean => x.mean(axes),
            Reduction::Max => x.greatest(axes),
            Reduction::Min => x.least(axes),
        },
        Op::Softmax => x.softmax(),
        Op::Matmul {
            transposed: false, ..
        } => x.matmul(y(), inputs.get(2)),
        Op::Matmul { .. } => x.matmul_transposed(y(), inputs.get(2)),
        Op::Conv2d { conv, .. } => x.conv2d(y(), inputs.get(2), *conv),
        Op::GroupNorm { groups, eps } => x.group_norm(y(), z(), *groups, f64::from(eps.0)),
        Op::LayerNorm { eps } => x.layer_norm(y(), z(), f64::from(eps.0)),
        Op::Geglu => x.geglu(),
        Op::Attention {
            heads,
            scale,
            causal,
        } => x.attention(y(), z(), *heads, f64::from(scale.0), *causal),
        Op::AttentionProbs {
            heads,
            scale,
            causal,
        } => x.attention_probs(y(), *heads, f64::from(scale.0), *causal),
        Op::AttentionApply => x.attention_apply(y()),
        Op::Resize {
            size,
            interpolation,
            antialias,
        } => x.resize(*size, *interpolation, *antialias),
        Op::Pool {
            pooling,
            kernel,
            stride,
            pad,
        } => x.pool(*pooling, *kernel, *stride, *pad),
    }
}
