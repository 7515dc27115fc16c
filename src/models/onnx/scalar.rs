//! Functions of single elements, on the host and on the device.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::{
    constant::Constant,
    fault::{Fallible, need, wrong},
    host::{self, Element, Numbers},
};
use crate::tensor::{Tensor, Unary};

/// A function of two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// Their sum.
    Add,
    /// Their difference.
    Sub,
    /// Their product.
    Mul,
    /// Their quotient; of whole numbers, what is left of it towards 0.
    Div,
    /// The lesser.
    Min,
    /// The greater.
    Max,
    /// Whether the first is greater.
    Greater,
    /// Whether the first is greater or equal.
    GreaterEqual,
    /// Whether they are equal.
    Equal,
}

impl Pair {
    /// What the result means.
    pub fn element(self, a: Element, b: Element) -> Element {
        match self {
            Self::Greater | Self::GreaterEqual | Self::Equal => Element::Bool,
            _ if a == Element::Float || b == Element::Float => Element::Float,
            _ if a == Element::Bool && b == Element::Bool => Element::Bool,
            _ => Element::Int,
        }
    }
}

/// How elements along axes are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The greatest.
    Max,
    /// The least.
    Min,
    /// Their product.
    Product,
}

/// On the device.
pub fn apply(x: &Tensor, y: &Tensor, function: Pair, whole: bool) -> Tensor {
    match function {
        Pair::Add => x.add(y),
        Pair::Sub => x.sub(y),
        Pair::Mul => x.mul(y),
        Pair::Div if whole => truncated(&x.div(y)),
        Pair::Div => x.div(y),
        Pair::Min => x.min(y),
        Pair::Max => x.max(y),
        Pair::Greater => x.greater(y),
        Pair::GreaterEqual => x.greater_equal(y),
        Pair::Equal => x.equal(y),
    }
}

/// Each element without what stands behind its point.
pub fn truncated(x: &Tensor) -> Tensor {
    let zero = x.affine(0.0, 0.0);
    let floor = x.unary(Unary::Floor);
    let ceil = x.unary(Unary::Neg).unary(Unary::Floor).unary(Unary::Neg);
    x.greater(&zero).select(&floor, &ceil)
}

/// On the host.
pub fn pair(x: &Constant, y: &Constant, function: Pair) -> Fallible<Numbers> {
    let holds = |truth: bool| i64::from(truth);
    if let (Numbers::Int(x), Numbers::Int(y)) = (x.numbers(), y.numbers()) {
        need(function != Pair::Div || !y.contains(&0), || {
            "divides whole numbers by 0".to_owned()
        })?;
        let of = |(&x, &y): (&i64, &i64)| match function {
            Pair::Add => x.wrapping_add(y),
            Pair::Sub => x.wrapping_sub(y),
            Pair::Mul => x.wrapping_mul(y),
            Pair::Div => x.wrapping_div(y),
            Pair::Min => x.min(y),
            Pair::Max => x.max(y),
            Pair::Greater => holds(x > y),
            Pair::GreaterEqual => holds(x >= y),
            Pair::Equal => holds(x == y),
        };
        return Ok(Numbers::Int(x.iter().zip(y).map(of).collect()));
    }
    let [x, y] = [x, y].map(|constant| constant.numbers().floats());
    let pairs = x.into_iter().zip(y);
    #[expect(clippy::float_cmp, reason = "the graph asks whether they are equal")]
    let truth = |(x, y): (f32, f32)| match function {
        Pair::Greater => holds(x > y),
        Pair::GreaterEqual => holds(x >= y),
        _ => holds(x == y),
    };
    let number = |(x, y): (f32, f32)| match function {
        Pair::Add => x + y,
        Pair::Sub => x - y,
        Pair::Mul => x * y,
        Pair::Div => x / y,
        Pair::Min => x.min(y),
        _ => x.max(y),
    };
    Ok(
        if function.element(Element::Float, Element::Float) == Element::Bool {
            Numbers::Int(pairs.map(truth).collect())
        } else {
            Numbers::Float(pairs.map(number).collect())
        },
    )
}

/// `x` where the mask is not 0, else `y`, all of one shape.
pub fn select(mask: &Constant, x: &Constant, y: &Constant) -> Numbers {
    let mask = mask.numbers().floats();
    match (x.numbers(), y.numbers()) {
        (Numbers::Int(x), Numbers::Int(y)) => Numbers::Int(chosen(&mask, x, y)),
        (x, y) => Numbers::Float(chosen(&mask, &x.floats(), &y.floats())),
    }
}

fn chosen<T: Copy>(mask: &[f32], x: &[T], y: &[T]) -> Vec<T> {
    let pairs = x.iter().zip(y);
    let chosen = mask
        .iter()
        .zip(pairs)
        .map(|(&mask, (&x, &y))| if mask == 0.0 { y } else { x });
    chosen.collect()
}

/// Combined along axes.
pub fn total(constant: &Constant, axes: &[usize], total: Total) -> Numbers {
    let numbers: Vec<f64> = match constant.numbers() {
        Numbers::Float(numbers) => numbers.iter().map(|&x| f64::from(x)).collect(),
        Numbers::Int(numbers) => numbers.iter().map(|&x| x as f64).collect(),
    };
    let dims = constant.dims();
    let sums = match total {
        Total::Sum | Total::Mean => host::reduce(&numbers, dims, axes, 0.0, |a, b| a + b),
        Total::Product => host::reduce(&numbers, dims, axes, 1.0, |a, b| a * b),
        Total::Max => host::reduce(&numbers, dims, axes, f64::NEG_INFINITY, f64::max),
        Total::Min => host::reduce(&numbers, dims, axes, f64::INFINITY, f64::min),
    };
    let count: usize = axes.iter().map(|&axis| dims[axis]).product();
    let share = if total == Total::Mean {
        1.0 / count as f64
    } else {
        1.0
    };
    match constant.numbers() {
        Numbers::Float(_) => Numbers::Float(sums.iter().map(|x| (x * share) as f32).collect()),
        Numbers::Int(_) => Numbers::Int(sums.iter().map(|x| (x * share) as i64).collect()),
    }
}

/// `x * scale + shift`
pub fn affine(x: &Constant, scale: f64, shift: f64) -> Fallible<Constant> {
    let whole = scale.fract() == 0.0 && shift.fract() == 0.0;
    let numbers = match x.numbers() {
        Numbers::Int(numbers) if whole => Numbers::Int(
            numbers
                .iter()
                .map(|&x| x.wrapping_mul(scale as i64).wrapping_add(shift as i64))
                .collect(),
        ),
        Numbers::Int(_) => return wrong("mixes whole numbers and fractions"),
        Numbers::Float(numbers) => Numbers::Float(
            numbers
                .iter()
                .map(|&x| (f64::from(x) * scale + shift) as f32)
                .collect(),
        ),
    };
    Ok(Constant::new(x.dims().to_vec(), x.element(), numbers))
}

/// Limited to `low..=high`.
pub fn clamp(x: &Constant, low: f64, high: f64) -> Fallible<Constant> {
    need(low <= high, || format!("limits numbers to {low}..={high}"))?;
    let numbers = match x.numbers() {
        Numbers::Int(numbers) => {
            let limit = |&x: &i64| (x as f64).clamp(low, high) as i64;
            Numbers::Int(numbers.iter().map(limit).collect())
        }
        Numbers::Float(numbers) => {
            let limit = |&x: &f32| f64::from(x).clamp(low, high) as f32;
            Numbers::Float(numbers.iter().map(limit).collect())
        }
    };
    Ok(Constant::new(x.dims().to_vec(), x.element(), numbers))
}

/// A function of each element.
pub fn unary(x: &Constant, function: Unary) -> Fallible<Constant> {
    let numbers = match (x.numbers(), function) {
        (Numbers::Int(numbers), Unary::Neg) => {
            Numbers::Int(numbers.iter().map(|x| x.wrapping_neg()).collect())
        }
        (Numbers::Int(numbers), Unary::Abs) => {
            Numbers::Int(numbers.iter().map(|x| x.wrapping_abs()).collect())
        }
        (Numbers::Int(numbers), Unary::Floor) => Numbers::Int(numbers.clone()),
        (Numbers::Int(numbers), Unary::Square) => {
            Numbers::Int(numbers.iter().map(|x| x.wrapping_mul(*x)).collect())
        }
        (Numbers::Int(_), _) => return wrong("takes a real function of whole numbers"),
        (Numbers::Float(numbers), _) => {
            let of = |&x: &f32| element(f64::from(x), function) as f32;
            Numbers::Float(numbers.iter().map(of).collect())
        }
    };
    Ok(Constant::new(x.dims().to_vec(), x.element(), numbers))
}

fn element(x: f64, function: Unary) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let hard_sigmoid = |x: f64| (x / 6.0 + 0.5).clamp(0.0, 1.0);
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
        Unary::GeluErf => x * (1.0 + erf(x * FRAC_1_SQRT_2)) / 2.0,
        Unary::GeluTanh => {
            let inner = FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (x + 0.044_715 * x.powi(3));
            x * (1.0 + inner.tanh()) / 2.0
        }
        Unary::QuickGelu => x * sigmoid(1.702 * x),
        Unary::Relu => x.max(0.0),
        Unary::HardSigmoid => hard_sigmoid(x),
        Unary::HardSwish => x * hard_sigmoid(x),
        Unary::LeakyRelu(slope) if x < 0.0 => f64::from(slope.0) * x,
        Unary::LeakyRelu(_) => x,
        Unary::Clamp(low, high) => x.max(f64::from(low.0)).min(f64::from(high.0)),
        Unary::Affine { scale, shift } => x * f64::from(scale.0) + f64::from(shift.0),
    }
}

/// The series of <https://dlmf.nist.gov/7.6.E2>, whose terms have one sign; past 6 there is nothing left of it in f64.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let [mut term, mut sum, mut odd] = [x, x, 1.0];
    while term.abs() > f64::EPSILON * sum.abs() / 4.0 {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}
