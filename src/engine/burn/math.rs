//! Element-wise operations, comparisons and reductions.

use burn::tensor::{Tensor, activation};

use super::operand::{Flat, Operand, dims, flatten, lead};
use crate::engine::{
    Shape,
    op::{Binary, Reduction, Scalar, Unary},
};

pub(super) fn unary(x: Flat, function: Unary) -> Flat {
    match function {
        Unary::Neg => x.neg(),
        Unary::Abs => x.abs(),
        Unary::Square => x.square(),
        Unary::Sqrt => x.sqrt(),
        Unary::Recip => x.recip(),
        Unary::Exp => x.exp(),
        Unary::Log => x.log(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tanh => x.tanh(),
        Unary::Erf => x.erf(),
        Unary::Floor => x.floor(),
        Unary::Sigmoid => activation::sigmoid(x),
        Unary::Silu => activation::silu(x),
        Unary::GeluErf => activation::gelu(x),
        Unary::GeluTanh => gelu_tanh(x),
        Unary::QuickGelu => activation::sigmoid(x.clone() * 1.702) * x,
        Unary::Relu => activation::relu(x),
        Unary::HardSigmoid => activation::hard_sigmoid(x, 1.0 / 6.0, 0.5),
        Unary::HardSwish => activation::hard_sigmoid(x.clone(), 1.0 / 6.0, 0.5) * x,
        Unary::LeakyRelu(Scalar(slope)) => activation::leaky_relu(x, f64::from(slope)),
        Unary::Clamp(Scalar(low), Scalar(high)) => x.clamp(low, high),
        Unary::Affine { scale, shift } => x * scale.0 + shift.0,
    }
}

/// burn's own takes the cube by `powf`, which costs more than the `tanh`.
fn gelu_tanh(x: Flat) -> Flat {
    let inner = (x.clone().square() * 0.044_715 + 1.0) * x.clone();
    let scale = (2.0 / std::f64::consts::PI).sqrt();
    ((inner * scale).tanh() + 1.0) * x * 0.5
}

pub(super) fn binary(x: &Operand, y: &Operand, function: Binary) -> Flat {
    if x.shape == y.shape {
        pairwise(x.flat.clone(), y.flat.clone(), function)
    } else {
        flatten(pairwise(x.full(), y.full(), function))
    }
}

fn pairwise<const N: usize>(x: Tensor<N>, y: Tensor<N>, function: Binary) -> Tensor<N> {
    match function {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::Min => {
            let [x, y] = same_dims(x, y);
            x.min_pair(y)
        }
        Binary::Max => {
            let [x, y] = same_dims(x, y);
            x.max_pair(y)
        }
        Binary::Greater => x.greater(y).float(),
        Binary::GreaterEqual => x.greater_equal(y).float(),
        Binary::Equal => x.equal(y).float(),
        Binary::Mix(Scalar(a), Scalar(b)) => x * a + y * b,
    }
}

/// Both with their axes of extent 1 repeated.
fn same_dims<const N: usize>(x: Tensor<N>, y: Tensor<N>) -> [Tensor<N>; 2] {
    let [a, b] = [x.dims(), y.dims()];
    let dims = std::array::from_fn::<_, N, _>(|axis| a[axis].max(b[axis]));
    [x.expand(dims), y.expand(dims)]
}

pub(super) fn select(mask: &Operand, x: &Operand, y: &Operand, shape: &Shape) -> Flat {
    let dims = dims(shape);
    let mask = mask.full().expand(dims).not_equal_scalar(0.0);
    flatten(
        y.full()
            .expand(dims)
            .mask_where(mask, x.full().expand(dims)),
    )
}

pub(super) fn reduce(x: &Operand, reduction: Reduction, axes: &[usize]) -> Flat {
    let lead = lead(x.shape.rank());
    let reduced = axes.iter().fold(x.full(), |x, &axis| match reduction {
        Reduction::Sum => x.sum_dim(lead + axis),
        Reduction::Mean => x.mean_dim(lead + axis),
        Reduction::Max => x.max_dim(lead + axis),
        Reduction::Min => x.min_dim(lead + axis),
    });
    flatten(reduced)
}

pub(super) fn softmax(x: &Operand) -> Flat {
    flatten(activation::softmax(x.rows(), 1))
}
