//! Functions of one or more elements, comparisons and truths.

use super::{
    super::{
        call::Call,
        fault::{Fallible, wrong},
        host::Element,
        value::{Pair, Value},
    },
    Operation, one,
};
use crate::tensor::Unary;

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "Add" => |call| pair(call, Pair::Add),
        "Sub" => |call| pair(call, Pair::Sub),
        "Mul" => |call| pair(call, Pair::Mul),
        "Div" => |call| pair(call, Pair::Div),
        "Pow" => power,
        "Mod" => modulo,
        "Equal" => |call| pair(call, Pair::Equal),
        "Greater" => |call| pair(call, Pair::Greater),
        "GreaterOrEqual" => |call| pair(call, Pair::GreaterEqual),
        "Less" => |call| one(call.input(1)?.pair(call.input(0)?, Pair::Greater)?),
        "LessOrEqual" => |call| one(call.input(1)?.pair(call.input(0)?, Pair::GreaterEqual)?),
        "And" => |call| pair(call, Pair::Mul),
        "Or" => |call| pair(call, Pair::Max),
        "Xor" => exclusive,
        "Not" => |call| one(not(call.input(0)?)?),
        "Where" => |call| one(call.input(0)?.select(call.input(1)?, call.input(2)?)?),
        "Min" => |call| fold(call, Pair::Min),
        "Max" => |call| fold(call, Pair::Max),
        "Sum" => |call| fold(call, Pair::Add),
        "Mean" => mean,
        "Neg" => |call| unary(call, Unary::Neg),
        "Abs" => |call| unary(call, Unary::Abs),
        "Sqrt" => |call| unary(call, Unary::Sqrt),
        "Exp" => |call| unary(call, Unary::Exp),
        "Log" => |call| unary(call, Unary::Log),
        "Sin" => |call| unary(call, Unary::Sin),
        "Cos" => |call| unary(call, Unary::Cos),
        "Erf" => |call| unary(call, Unary::Erf),
        "Reciprocal" => |call| unary(call, Unary::Recip),
        "Floor" => |call| unary(call, Unary::Floor),
        "Ceil" => |call| one(ceil(call.input(0)?)?),
        "Round" => round,
        "Sign" => sign,
        "Tan" => tan,
        "Sinh" => |call| one(hyperbolic(call.input(0)?, Pair::Sub)?),
        "Cosh" => |call| one(hyperbolic(call.input(0)?, Pair::Add)?),
        "Asinh" => |call| one(inverse_hyperbolic(call.input(0)?, 1.0)?),
        "Acosh" => |call| one(inverse_hyperbolic(call.input(0)?, -1.0)?),
        "Atanh" => atanh,
        _ => return None,
    })
}

fn pair(call: &Call, function: Pair) -> Fallible<Vec<Value>> {
    let [x, y] = [call.input(0)?, call.input(1)?];
    let axis = call.int("axis", -1)?;
    if call.opset >= 7 || axis < 0 {
        return one(x.pair(y, function)?);
    }
    // Before version 7 the second operand begins at an axis of the first.
    let behind = (x.rank() as i64 - axis - y.rank() as i64).max(0) as usize;
    let dims = [y.dims(), &vec![1; behind]].concat();
    one(x.pair(&y.reshape(&dims)?, function)?)
}

fn unary(call: &Call, function: Unary) -> Fallible<Vec<Value>> {
    one(call.input(0)?.unary(function)?)
}

fn fold(call: &Call, function: Pair) -> Fallible<Vec<Value>> {
    let all = call.all()?;
    let mut result = all[0].clone();
    for value in &all[1..] {
        result = result.pair(value, function)?;
    }
    one(result)
}

fn mean(call: &Call) -> Fallible<Vec<Value>> {
    let sum = fold(call, Pair::Add)?;
    one(sum[0].affine(1.0 / call.inputs.len() as f64, 0.0)?)
}

fn not(x: &Value) -> Fallible<Value> {
    x.affine(-1.0, 1.0)
}

fn exclusive(call: &Call) -> Fallible<Vec<Value>> {
    let apart = call.input(0)?.pair(call.input(1)?, Pair::Sub)?;
    one(apart.unary(Unary::Abs)?)
}

fn ceil(x: &Value) -> Fallible<Value> {
    x.unary(Unary::Neg)?.unary(Unary::Floor)?.unary(Unary::Neg)
}

/// To the nearest whole number, halves to the even one.
fn round(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let floor = x.unary(Unary::Floor)?;
    let rest = x.pair(&floor, Pair::Sub)?;
    let half = call.number("half", 0.5)?;
    let up = rest.pair(&half, Pair::Greater)?;
    let halves = floor.affine(0.5, 0.0)?.unary(Unary::Floor)?;
    let odd = floor.pair(&halves.affine(2.0, 0.0)?, Pair::Sub)?;
    let tie = rest.pair(&half, Pair::Equal)?.pair(&odd, Pair::Mul)?;
    one(floor.pair(&up, Pair::Add)?.pair(&tie, Pair::Add)?)
}

fn sign(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let zero = call.number("zero", 0.0)?;
    let [above, below] = [x.pair(&zero, Pair::Greater)?, zero.pair(x, Pair::Greater)?];
    let [above, below] = [above, below].map(|truth| truth.meaning(x.element()));
    one(above.pair(&below, Pair::Sub)?)
}

fn tan(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    one(x
        .unary(Unary::Sin)?
        .pair(&x.unary(Unary::Cos)?, Pair::Div)?)
}

/// `(exp(x) +- exp(-x)) / 2`
fn hyperbolic(x: &Value, function: Pair) -> Fallible<Value> {
    let [up, down] = [x.clone(), x.unary(Unary::Neg)?].map(|x| x.unary(Unary::Exp));
    up?.pair(&down?, function)?.affine(0.5, 0.0)
}

/// `log(|x| + sqrt(x^2 + inner))`, with the sign of `x` where it has one
fn inverse_hyperbolic(x: &Value, inner: f64) -> Fallible<Value> {
    let size = x.unary(Unary::Abs)?;
    let root = x
        .unary(Unary::Square)?
        .affine(1.0, inner)?
        .unary(Unary::Sqrt)?;
    let result = size.pair(&root, Pair::Add)?.unary(Unary::Log)?;
    if inner < 0.0 {
        return Ok(result);
    }
    // The sign, without a number to compare with: x / |x|, kept from 0.
    let sign = x.pair(
        &size.clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX))?,
        Pair::Div,
    )?;
    result.pair(&sign, Pair::Mul)
}

/// `log((1 + x) / (1 - x)) / 2`
fn atanh(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let ratio = x.affine(1.0, 1.0)?.pair(&x.affine(-1.0, 1.0)?, Pair::Div)?;
    one(ratio.unary(Unary::Log)?.affine(0.5, 0.0)?)
}

/// Whole exponents up to here are products.
const MOST_FACTORS: f64 = 8.0;

fn power(call: &Call) -> Fallible<Vec<Value>> {
    let [x, y] = [call.input(0)?, call.input(1)?];
    let result = match y.single() {
        Some(exponent) if y.rank() <= x.rank() && x.element() == Element::Float => {
            fixed_power(call, x, exponent)?
        }
        _ => general_power(call, x, y)?,
    };
    one(result.meaning(x.element()))
}

fn fixed_power(call: &Call, x: &Value, exponent: f64) -> Fallible<Value> {
    let halves = 2.0 * exponent;
    if halves.fract() != 0.0 || exponent == 0.0 || exponent.abs() > MOST_FACTORS {
        return general_power(call, x, call.input(1)?);
    }
    let whole = exponent.abs().floor() as usize;
    let mut factors = vec![x.clone(); whole];
    if exponent.fract() != 0.0 {
        factors.push(x.unary(Unary::Sqrt)?);
    }
    let mut product = factors[0].clone();
    if whole == 2 && factors.len() == 2 {
        product = x.unary(Unary::Square)?;
    } else {
        for factor in &factors[1..] {
            product = product.pair(factor, Pair::Mul)?;
        }
    }
    if exponent < 0.0 {
        product.unary(Unary::Recip)
    } else {
        Ok(product)
    }
}

/// `exp(y log |x|)`, negative where `x` is and `y` is odd. What is no number, a root of a negative one, becomes the root
/// of its size.
fn general_power(call: &Call, x: &Value, y: &Value) -> Fallible<Value> {
    let [x, y] = [x, y].map(|value| value.meaning(Element::Float));
    let least = f64::from(f32::MIN_POSITIVE);
    let size = x.unary(Unary::Abs)?.clamp(least, f64::from(f32::MAX))?;
    let power = size
        .unary(Unary::Log)?
        .pair(&y, Pair::Mul)?
        .unary(Unary::Exp)?;
    let halves = y.affine(0.5, 0.0)?.unary(Unary::Floor)?;
    let odd = y.pair(&halves.affine(2.0, 0.0)?, Pair::Sub)?;
    let one = call.number("one", 1.0)?;
    let zero = call.number("zero", 0.0)?;
    let negative = zero.pair(&x, Pair::Greater)?;
    let flips = odd.pair(&one, Pair::Equal)?.pair(&negative, Pair::Mul)?;
    let sign = flips.meaning(Element::Float).affine(-2.0, 1.0)?;
    power.pair(&sign, Pair::Mul)
}

fn modulo(call: &Call) -> Fallible<Vec<Value>> {
    let [x, y] = [call.input(0)?, call.input(1)?];
    let float = x.element() == Element::Float;
    let quotient = x.pair(y, Pair::Div)?;
    if float && !call.flag("fmod", false)? {
        return wrong("takes the rest of real numbers without fmod");
    }
    let quotient = if float {
        truncated(call, &quotient)?
    } else {
        quotient
    };
    // With the sign of the dividend.
    let rest = x.pair(&quotient.pair(y, Pair::Mul)?, Pair::Sub)?;
    if call.flag("fmod", false)? {
        return one(rest);
    }
    let zero = call.number("zero", 0.0)?;
    let apart = rest
        .pair(&zero, Pair::Greater)?
        .pair(&y.pair(&zero, Pair::Greater)?, Pair::Equal)?;
    let some = not(&rest.pair(&zero, Pair::Equal)?)?;
    let turned = not(&apart)?.pair(&some, Pair::Mul)?.meaning(Element::Int);
    one(rest.pair(&turned.pair(y, Pair::Mul)?, Pair::Add)?)
}

/// Without what stands behind the point.
pub fn truncated(call: &Call, x: &Value) -> Fallible<Value> {
    let zero = call.number("zero", 0.0)?;
    let positive = x.pair(&zero, Pair::Greater)?;
    positive.select(&x.unary(Unary::Floor)?, &ceil(x)?)
}
