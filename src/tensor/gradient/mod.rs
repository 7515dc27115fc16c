//! Gradients: reverse mode, written once above the engines.
//!
//! What is computed from a [`Tensor::tracked`] tensor remembers how; [`Tensor::gradient`] goes back over that and applies
//! each operation's rule, which is made of operations again. So the lazy engine plans a gradient like anything else,
//! and the eager one computes it as it goes. Weights are constants: nobody asks for their gradient, and a convolution's
//! is a convolution.
//!
//! What rules need of the way forward is either kept or, from one [`Tensor::milestone`] to the next, computed again: the
//! record says how, so nobody has to hand over a function that does.

mod record;
mod rules;
mod walk;

pub use record::Keep;
pub(super) use record::Origin;

use super::{Shape, Tensor, Unary};
use crate::{engine::Op, error::Result};

impl Tensor {
    /// The same numbers, with respect to which gradients can be asked for.
    #[must_use]
    pub fn tracked(&self, keep: Keep) -> Self {
        Self {
            origin: Origin::leaf(self, keep),
            ..self.clone()
        }
    }

    /// The same numbers, whose origin no gradient goes back to.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::from_value(self.device.clone(), self.shape.clone(), self.value.clone())
    }

    /// Whether gradients go back through this.
    pub fn is_tracked(&self) -> bool {
        self.origin.record().is_some()
    }

    /// A good place to compute again from: few numbers, from which many follow. Without a gradient to come it means nothing.
    ///
    /// With [`Keep::Milestones`] whatever led here from the milestones before is forgotten.
    pub fn milestone(&self) {
        if let Some(record) = self.origin.record() {
            record.keep_only_this();
        }
    }

    /// The gradient of `seed` times the sum of this tensor's elements, with respect to each of `wrt`.
    ///
    /// A device that stores f16 loses gradients below 1e-7: choose a `seed` that keeps them large, and divide by it where
    /// the gradient is used.
    ///
    /// # Shapes
    /// - returns for each of `wrt` a tensor of its shape; zeros where this does not depend on it
    ///
    /// # Errors
    /// When the device has no room for a weight that is laid out anew, or an operation's rule is not known.
    pub fn gradient(&self, wrt: &[&Self], seed: f64) -> Result<Vec<Self>> {
        let ones = self.device.filled(self.shape.clone(), seed as f32);
        walk::back(self, ones, wrt)
    }

    /// This, but only once `other` is computed.
    #[must_use]
    pub fn after(&self, other: &Self) -> Self {
        Self::apply(&Op::After, &[self, other], self.shape.clone())
    }

    /// `g` times the function's derivative at each element.
    ///
    /// # Panics
    /// When the shapes differ.
    #[must_use]
    pub fn slope(&self, function: Unary, g: &Self) -> Self {
        assert_eq!(self.shape, g.shape, "a slope for each element");
        Self::apply(&Op::Slope(function), &[self, g], self.shape.clone())
    }
}

impl super::Device {
    /// A tensor of one number.
    #[must_use]
    pub fn filled(&self, shape: impl Into<Shape>, number: f32) -> Tensor {
        let shape = shape.into();
        let one = self.tensor(vec![1; shape.rank()], vec![number]);
        one.expand(shape)
    }
}
