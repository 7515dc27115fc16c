//! Activations.

use super::{
    super::{
        call::Call,
        fault::{Fallible, wrong},
        value::{Pair, Value},
    },
    Operation, one,
};
use crate::tensor::Unary;

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "Relu" => |call| one(call.input(0)?.unary(Unary::Relu)?),
        "Sigmoid" => |call| one(call.input(0)?.unary(Unary::Sigmoid)?),
        "Tanh" => |call| one(call.input(0)?.unary(Unary::Tanh)?),
        "HardSwish" => |call| one(call.input(0)?.unary(Unary::HardSwish)?),
        "HardSigmoid" => hard_sigmoid,
        "LeakyRelu" => leaky_relu,
        "PRelu" => prelu,
        "Elu" => |call| one(elu(call.input(0)?, call.float("alpha", 1.0)?, 1.0)?),
        "Selu" => selu,
        "Celu" => celu,
        "Gelu" => gelu,
        "Softplus" => |call| one(softplus(call.input(0)?)?),
        "Softsign" => softsign,
        "Mish" => mish,
        "Swish" => swish,
        "ThresholdedRelu" => thresholded_relu,
        "Shrink" => shrink,
        "Clip" => clip,
        _ => return None,
    })
}

/// No positive number, and no number below anything that f32 holds.
fn negative_part(x: &Value) -> Fallible<Value> {
    x.clamp(f64::from(f32::MIN), 0.0)
}

fn hard_sigmoid(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let [alpha, beta] = [call.float("alpha", 0.2)?, call.float("beta", 0.5)?];
    let sixth = f64::from(1.0_f32 / 6.0);
    if (alpha - sixth).abs() < 1e-7 && (beta - 0.5).abs() < 1e-7 {
        return one(x.unary(Unary::HardSigmoid)?);
    }
    one(x.affine(alpha, beta)?.clamp(0.0, 1.0)?)
}

fn leaky_relu(call: &Call) -> Fallible<Vec<Value>> {
    let slope = call.float("alpha", 0.01)?;
    one(call
        .input(0)?
        .unary(Unary::LeakyRelu(crate::tensor::Scalar(slope as f32)))?)
}

/// `x` where it is positive, else `slope` times it.
fn prelu(call: &Call) -> Fallible<Vec<Value>> {
    let [x, slope] = [call.input(0)?, call.input(1)?];
    // Before version 7 a list has a slope for each channel.
    let by_channel = call.opset < 7 && slope.rank() == 1 && slope.count() > 1 && x.rank() > 2;
    let slope = if by_channel {
        slope.reshape(&[&[slope.count()], &vec![1; x.rank() - 2][..]].concat())?
    } else {
        slope.clone()
    };
    let below = negative_part(x)?.pair(&slope, Pair::Mul)?;
    one(x.unary(Unary::Relu)?.pair(&below, Pair::Add)?)
}

/// `x` where it is positive, else `alpha (exp(x / width) - 1)`
fn elu(x: &Value, alpha: f64, width: f64) -> Fallible<Value> {
    let below = negative_part(x)?.affine(width.recip(), 0.0)?;
    let below = below.unary(Unary::Exp)?.affine(alpha, -alpha)?;
    x.unary(Unary::Relu)?.pair(&below, Pair::Add)
}

fn selu(call: &Call) -> Fallible<Vec<Value>> {
    let alpha = call.float("alpha", 1.673_263_192_176_818_8)?;
    let gamma = call.float("gamma", 1.050_701_022_148_132_3)?;
    one(elu(call.input(0)?, alpha, 1.0)?.affine(gamma, 0.0)?)
}

fn celu(call: &Call) -> Fallible<Vec<Value>> {
    let alpha = call.float("alpha", 1.0)?;
    if alpha == 0.0 {
        return wrong("has an alpha of 0");
    }
    one(elu(call.input(0)?, alpha, alpha)?)
}

fn gelu(call: &Call) -> Fallible<Vec<Value>> {
    let function = match call.word("approximate", "none")? {
        "none" => Unary::GeluErf,
        "tanh" => Unary::GeluTanh,
        other => return wrong(format!("approximates by {other:?}")),
    };
    one(call.input(0)?.unary(function)?)
}

/// `log(1 + exp(x))`, without what would overflow.
fn softplus(x: &Value) -> Fallible<Value> {
    let small = x.unary(Unary::Abs)?.unary(Unary::Neg)?.unary(Unary::Exp)?;
    let rest = small.affine(1.0, 1.0)?.unary(Unary::Log)?;
    x.unary(Unary::Relu)?.pair(&rest, Pair::Add)
}

fn softsign(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let size = x.unary(Unary::Abs)?.affine(1.0, 1.0)?;
    one(x.pair(&size, Pair::Div)?)
}

fn mish(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let gate = softplus(x)?.unary(Unary::Tanh)?;
    one(x.pair(&gate, Pair::Mul)?)
}

fn swish(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let gate = x.affine(call.float("alpha", 1.0)?, 0.0)?;
    one(x.pair(&gate.unary(Unary::Sigmoid)?, Pair::Mul)?)
}

fn thresholded_relu(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let alpha = call.number("alpha", call.float("alpha", 1.0)?)?;
    let gate = x.pair(&alpha, Pair::Greater)?;
    one(x.pair(&gate, Pair::Mul)?)
}

fn shrink(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let [bias, limit] = [call.float("bias", 0.0)?, call.float("lambd", 0.5)?];
    let [low, high] = [call.number("low", -limit)?, call.number("high", limit)?];
    let below = low.pair(x, Pair::Greater)?;
    let above = x.pair(&high, Pair::Greater)?;
    let below = x.affine(1.0, bias)?.pair(&below, Pair::Mul)?;
    let above = x.affine(1.0, -bias)?.pair(&above, Pair::Mul)?;
    one(below.pair(&above, Pair::Add)?)
}

fn clip(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let fixed = [
        call.float("min", f64::from(f32::MIN))?,
        call.float("max", f64::from(f32::MAX))?,
    ];
    let limits = [call.optional(1), call.optional(2)];
    let numbers = [0, 1].map(|side| limits[side].map_or(Some(fixed[side]), Value::single));
    if let [Some(low), Some(high)] = numbers {
        // Where the limits cross, the upper one wins.
        return one(x.clamp(low.min(high), high)?);
    }
    let mut x = x.clone();
    for (limit, pair) in limits.into_iter().zip([Pair::Max, Pair::Min]) {
        if let Some(limit) = limit {
            x = x.pair(limit, pair)?;
        }
    }
    one(x)
}
