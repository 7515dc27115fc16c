//! Element-wise operations, comparisons and reductions.

use super::{Shape, Tensor};
use crate::engine::op::{Binary, Op, Reduction, Scalar, Unary};

/// The shape both operands have once their axes of extent 1 are repeated.
fn broadcast(a: &Shape, b: &Shape) -> Shape {
    assert_eq!(a.rank(), b.rank(), "{a:?} with {b:?}: the ranks differ");
    let dims: Vec<_> = a
        .iter()
        .zip(b.iter())
        .map(|(&x, &y)| {
            assert!(
                x == y || x == 1 || y == 1,
                "{a:?} with {b:?}: neither equal nor 1"
            );
            if x == 1 { y } else { x }
        })
        .collect();
    dims.into()
}

impl Tensor {
    /// Applies a function to each element.
    #[must_use]
    pub fn unary(&self, function: Unary) -> Self {
        Self::apply(&Op::Unary(function), &[self], self.shape.clone())
    }

    fn binary(&self, other: &Self, function: Binary) -> Self {
        let shape = broadcast(&self.shape, &other.shape);
        Self::apply(&Op::Binary(function), &[self, other], shape)
    }

    /// `self * scale + shift`
    #[must_use]
    pub fn affine(&self, scale: f64, shift: f64) -> Self {
        self.unary(Unary::Affine {
            scale: Scalar(scale as f32),
            shift: Scalar(shift as f32),
        })
    }

    /// Each element limited to `low..=high`.
    #[must_use]
    pub fn clamp(&self, low: f32, high: f32) -> Self {
        self.unary(Unary::Clamp(Scalar(low), Scalar(high)))
    }

    /// `x * sigmoid(x)`
    #[must_use]
    pub fn silu(&self) -> Self {
        self.unary(Unary::Silu)
    }

    /// The greater of each element and 0.
    #[must_use]
    pub fn relu(&self) -> Self {
        self.unary(Unary::Relu)
    }

    /// Sum; axes of extent 1 are repeated.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        self.binary(other, Binary::Add)
    }

    /// Difference; axes of extent 1 are repeated.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        self.binary(other, Binary::Sub)
    }

    /// Product; axes of extent 1 are repeated.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        self.binary(other, Binary::Mul)
    }

    /// Quotient; axes of extent 1 are repeated.
    #[must_use]
    pub fn div(&self, other: &Self) -> Self {
        self.binary(other, Binary::Div)
    }

    /// The lesser of two; axes of extent 1 are repeated.
    #[must_use]
    pub fn min(&self, other: &Self) -> Self {
        self.binary(other, Binary::Min)
    }

    /// The greater of two; axes of extent 1 are repeated.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        self.binary(other, Binary::Max)
    }

    /// `a * self + b * other`, rounded once; axes of extent 1 are repeated.
    #[must_use]
    pub fn mix(&self, a: f64, other: &Self, b: f64) -> Self {
        self.binary(other, Binary::Mix(Scalar(a as f32), Scalar(b as f32)))
    }

    /// 1 where this is greater, else 0; axes of extent 1 are repeated.
    #[must_use]
    pub fn greater(&self, other: &Self) -> Self {
        self.binary(other, Binary::Greater)
    }

    /// 1 where this is greater or equal, else 0; axes of extent 1 are repeated.
    #[must_use]
    pub fn greater_equal(&self, other: &Self) -> Self {
        self.binary(other, Binary::GreaterEqual)
    }

    /// 1 where both are equal, else 0; axes of extent 1 are repeated.
    #[must_use]
    pub fn equal(&self, other: &Self) -> Self {
        self.binary(other, Binary::Equal)
    }

    /// `x` where this is not 0, else `y`; axes of extent 1 are repeated.
    #[must_use]
    pub fn select(&self, x: &Self, y: &Self) -> Self {
        let shape = broadcast(&self.shape, &broadcast(&x.shape, &y.shape));
        Self::apply(&Op::Select, &[self, x, y], shape)
    }

    fn reduce(&self, reduction: Reduction, axes: &[usize]) -> Self {
        let mut dims = self.shape.to_vec();
        for &axis in axes {
            dims[axis] = 1;
        }
        Self::apply(&Op::Reduce(reduction, axes.to_vec()), &[self], dims.into())
    }

    /// Sum along the axes, which stay with extent 1.
    #[must_use]
    pub fn sum(&self, axes: &[usize]) -> Self {
        self.reduce(Reduction::Sum, axes)
    }

    /// Mean along the axes, which stay with extent 1.
    #[must_use]
    pub fn mean(&self, axes: &[usize]) -> Self {
        self.reduce(Reduction::Mean, axes)
    }

    /// Greatest element along the axes, which stay with extent 1.
    #[must_use]
    pub fn greatest(&self, axes: &[usize]) -> Self {
        self.reduce(Reduction::Max, axes)
    }

    /// Least element along the axes, which stay with extent 1.
    #[must_use]
    pub fn least(&self, axes: &[usize]) -> Self {
        self.reduce(Reduction::Min, axes)
    }

    /// `exp(x - max) / sum` along the last axis.
    #[must_use]
    pub fn softmax(&self) -> Self {
        Self::apply(&Op::Softmax, &[self], self.shape.clone())
    }
}
