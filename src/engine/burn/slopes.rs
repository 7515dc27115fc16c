//! Derivatives of the functions of one element.

use burn::tensor::activation;

use super::operand::Flat;
use crate::engine::op::{Scalar, Unary};

/// `1 / sqrt(2 pi)`
const NORMAL_DENSITY: f32 = 0.398_942_3;
/// `sqrt(2 / pi)`
const GELU_SCALE: f32 = 0.797_884_6;

/// The function's derivative at each element; where there is none, as PyTorch has it.
pub(super) fn slope(x: Flat, function: Unary) -> Flat {
    match function {
        Unary::Neg => x.ones_like().neg(),
        Unary::Abs => x.sign(),
        Unary::Square => x * 2.0,
        Unary::Sqrt => x.sqrt().recip() * 0.5,
        Unary::Recip => x.square().recip().neg(),
        Unary::Exp => x.exp(),
        Unary::Log => x.recip(),
        Unary::Sin => x.cos(),
        Unary::Cos => x.sin().neg(),
        Unary::Tanh => x.tanh().square().neg() + 1.0,
        Unary::Erf => (x.square() * -1.0).exp() * std::f32::consts::FRAC_2_SQRT_PI,
        Unary::Floor => x.zeros_like(),
        Unary::Sigmoid => {
            let s = activation::sigmoid(x);
            (s.clone().neg() + 1.0) * s
        }
        Unary::Silu => swish(x, 1.0),
        Unary::QuickGelu => swish(x, 1.702),
        Unary::GeluErf => {
            let area = ((x.clone() * std::f32::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
            let density = (x.clone().square() * -0.5).exp() * NORMAL_DENSITY;
            area + density * x
        }
        Unary::GeluTanh => {
            let square = x.clone().square();
            let t = ((square.clone() * 0.044_715 + 1.0) * x.clone() * GELU_SCALE).tanh();
            let inner = (square * (3.0 * 0.044_715) + 1.0) * GELU_SCALE;
            (t.clone() + 1.0) * 0.5 + (t.square().neg() + 1.0) * inner * x * 0.5
        }
        Unary::Relu => x.greater_scalar(0.0).float(),
        Unary::HardSigmoid => x.abs().lower_scalar(3.0).float() / 6.0,
        Unary::HardSwish => {
            let beyond = x.clone().greater_scalar(0.0).float();
            let bent = x.clone().abs().lower_equal_scalar(3.0);
            beyond.mask_where(bent, x / 3.0 + 0.5)
        }
        Unary::LeakyRelu(Scalar(slope)) => {
            let rising = x.greater_scalar(0.0).float();
            rising * (1.0 - slope) + slope
        }
        Unary::Clamp(Scalar(low), Scalar(high)) => {
            let above = x.clone().greater_equal_scalar(low).float();
            above * x.lower_equal_scalar(high).float()
        }
        Unary::Affine { scale, .. } => x.ones_like() * scale.0,
    }
}

/// Of `x sigmoid(k x)`.
fn swish(x: Flat, k: f32) -> Flat {
    let s = activation::sigmoid(x.clone() * k);
    let bend = (s.clone().neg() + 1.0) * x * k + 1.0;
    s * bend
}
