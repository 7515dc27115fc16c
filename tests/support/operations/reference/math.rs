//! Element-wise operations, comparisons and reductions.

use std::f64::consts::{FRAC_2_SQRT_PI, PI, SQRT_2};

use guidestar::{
    engine::op::{Binary, Reduction, Unary},
    tensor::Shape,
};

use super::super::Host;

pub fn unary(x: &Host, function: Unary) -> Host {
    Host::build(x.shape.clone(), |index| element(x.at(index), function))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn hard_sigmoid(x: f64) -> f64 {
    (x / 6.0 + 0.5).clamp(0.0, 1.0)
}

/// `x (1 + erf(x / sqrt 2)) / 2`
pub fn gelu(x: f64) -> f64 {
    x * (1.0 + erf(x / SQRT_2)) / 2.0
}

/// The series whose terms have one sign, so that nothing cancels: `2/sqrt(pi) e^-x^2 sum 2^n x^(2n+1) / (2n+1)!!`
/// (<https://dlmf.nist.gov/7.6.E2>).
fn erf(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    let mut odd = 1.0;
    while term.abs() > 1e-18 * sum.abs() {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

fn element(x: f64, function: Unary) -> f64 {
    match function {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Square => x * x,
        Unary::Sqrt => x.sqrt(),
        Unary::Recip => 1.0 / x,
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tanh => x.tanh(),
        Unary::Erf => erf(x),
        Unary::Floor => x.floor(),
        Unary::Sigmoid => sigmoid(x),
        Unary::Silu => x * sigmoid(x),
        Unary::GeluErf => gelu(x),
        Unary::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
        }
        Unary::QuickGelu => x * sigmoid(1.702 * x),
        Unary::Relu => x.max(0.0),
        Unary::HardSigmoid => hard_sigmoid(x),
        Unary::HardSwish => x * hard_sigmoid(x),
        Unary::LeakyRelu(slope) if x < 0.0 => f64::from(slope.0) * x,
        Unary::LeakyRelu(_) => x,
        Unary::Clamp(low, high) => x.clamp(f64::from(low.0), f64::from(high.0)),
        Unary::Affine { scale, shift } => x * f64::from(scale.0) + f64::from(shift.0),
    }
}

/// The second operand times the derivative at the first.
pub fn slope(x: &Host, function: Unary, g: &Host) -> Host {
    Host::build(x.shape.clone(), |index| {
        g.at(index) * derivative(x.at(index), function)
    })
}

fn derivative(x: f64, function: Unary) -> f64 {
    let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
    let s = sigmoid(x);
    match function {
        Unary::Neg => -1.0,
        Unary::Abs if x == 0.0 => 0.0,
        Unary::Abs => x.signum(),
        Unary::Square => 2.0 * x,
        Unary::Sqrt => 0.5 / x.sqrt(),
        Unary::Recip => -1.0 / (x * x),
        Unary::Exp => x.exp(),
        Unary::Log => 1.0 / x,
        Unary::Sin => x.cos(),
        Unary::Cos => -x.sin(),
        Unary::Tanh => 1.0 - x.tanh().powi(2),
        Unary::Erf => FRAC_2_SQRT_PI * (-x * x).exp(),
        Unary::Floor => 0.0,
        Unary::Sigmoid => s * (1.0 - s),
        Unary::Silu => s + x * s * (1.0 - s),
        Unary::GeluErf => {
            let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
            f64::midpoint(1.0, erf(x / SQRT_2)) + x * density
        }
        Unary::GeluTanh => {
            let scale = (2.0 / PI).sqrt();
            let t = (scale * (x + 0.044_715 * x.powi(3))).tanh();
            let inner = scale * (1.0 + 3.0 * 0.044_715 * x * x);
            0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner
        }
        Unary::QuickGelu => {
            let s = sigmoid(1.702 * x);
            s + 1.702 * x * s * (1.0 - s)
        }
        Unary::HardSigmoid => truth(x.abs() < 3.0) / 6.0,
        Unary::HardSwish if x.abs() <= 3.0 => x / 3.0 + 0.5,
        Unary::Relu | Unary::HardSwish => truth(x > 0.0),
        Unary::LeakyRelu(_) if x > 0.0 => 1.0,
        Unary::LeakyRelu(slope) => f64::from(slope.0),
        Unary::Clamp(low, high) => truth(x >= f64::from(low.0) && x <= f64::from(high.0)),
        Unary::Affine { scale, .. } => f64::from(scale.0),
    }
}

/// The shape of operands whose axes of extent 1 are repeated.
fn common_shape(operands: &[&Host]) -> Shape {
    let rank = operands[0].shape.rank();
    let dims: Vec<_> = (0..rank)
        .map(|axis| operands.iter().map(|x| x.shape[axis]).max().unwrap_or(1))
        .collect();
    dims.into()
}

pub fn binary(x: &Host, y: &Host, function: Binary) -> Host {
    Host::build(common_shape(&[x, y]), |index| {
        let (x, y) = (x.repeated_at(index), y.repeated_at(index));
        let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
        match function {
            Binary::Add => x + y,
            Binary::Sub => x - y,
            Binary::Mul => x * y,
            Binary::Div => x / y,
            Binary::Min => x.min(y),
            Binary::Max => x.max(y),
            Binary::Greater => truth(x > y),
            Binary::GreaterEqual => truth(x >= y),
            Binary::Equal => truth(x.total_cmp(&y).is_eq()),
            Binary::Mix(a, b) => f64::from(a.0) * x + f64::from(b.0) * y,
        }
    })
}

pub fn select(mask: &Host, x: &Host, y: &Host) -> Host {
    Host::build(common_shape(&[mask, x, y]), |index| {
        if mask.repeated_at(index).abs() > 0.0 {
            x.repeated_at(index)
        } else {
            y.repeated_at(index)
        }
    })
}

pub fn reduce(x: &Host, reduction: Reduction, axes: &[usize]) -> Host {
    let mut shape = x.shape.to_vec();
    let mut window = vec![1; shape.len()];
    for &axis in axes {
        window[axis] = std::mem::replace(&mut shape[axis], 1);
    }
    Host::build(shape, |corner| {
        let inside = Host::build(window.clone(), |step| {
            let index: Vec<_> = corner.iter().zip(step).map(|(a, b)| a + b).collect();
            x.at(&index)
        });
        let elements = inside.data.iter().copied();
        match reduction {
            Reduction::Sum => elements.sum(),
            Reduction::Mean => elements.sum::<f64>() / inside.data.len() as f64,
            Reduction::Max => elements.fold(f64::NEG_INFINITY, f64::max),
            Reduction::Min => elements.fold(f64::INFINITY, f64::min),
        }
    })
}

pub fn softmax(x: &Host) -> Host {
    let data = x
        .data
        .chunks(x.shape.last())
        .flat_map(softmax_row)
        .collect();
    Host {
        shape: x.shape.clone(),
        data,
    }
}

/// `exp(x - max) / sum`
pub fn softmax_row(scores: &[f64]) -> Vec<f64> {
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<_> = scores.iter().map(|score| (score - max).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|exp| exp / sum).collect()
}
