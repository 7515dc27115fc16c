//! Normalisations.

use super::{
    super::{
        call::Call,
        constant::Constant,
        fault::{Fallible, need, wrong},
        host::{self, Element},
        placed::{Placed, channels_last, natural},
        value::{Pair, Total, Value},
    },
    Operation, one,
};
use crate::tensor::Unary;

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "BatchNormalization" => batch_norm,
        "InstanceNormalization" => instance_norm,
        "GroupNormalization" => group_norm,
        "LayerNormalization" => layer_norm,
        "RMSNormalization" => rms_norm,
        "LpNormalization" => lp_norm,
        "MeanVarianceNormalization" => mean_variance_norm,
        "LRN" => local_response_norm,
        _ => return None,
    })
}

/// Of a feature map's channels.
fn channels(x: &Value) -> Fallible<usize> {
    match x.dims().get(1) {
        Some(&channels) => Ok(channels),
        None => wrong(format!("normalises {:?}, which has no channels", x.dims())),
    }
}

/// A list with one number a channel.
fn per_channel<'a>(call: &'a Call, index: usize, channels: usize) -> Fallible<&'a Value> {
    let value = call.input(index)?;
    need(value.dims() == [channels], || {
        format!("has {:?} for {channels} channels", value.dims())
    })?;
    Ok(value)
}

/// One scale and one shift a channel, as in use and not as in training.
fn batch_norm(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    need(!call.flag("training_mode", false)?, || {
        "normalises by the batch, as in training".to_owned()
    })?;
    let channels = channels(x)?;
    let eps = call.float("epsilon", 1e-5)?;
    let mut numbers = Vec::with_capacity(4);
    for index in 1..5 {
        per_channel(call, index, channels)?;
        let Some(constant) = call.known(index, "a scale or a mean")? else {
            return wrong(format!("lacks its input {index}"));
        };
        numbers.push(constant.numbers().floats());
    }
    let dims = [vec![channels], vec![1; x.rank() - 2]].concat();
    let part = |of: fn([f64; 4], f64) -> f64| {
        let at = |channel: usize| [0, 1, 2, 3].map(|list| f64::from(numbers[list][channel]));
        let numbers = (0..channels).map(|channel| of(at(channel), eps) as f32);
        Ok(Constant::floats(dims.clone(), numbers.collect()))
    };
    let scale = call.derive("scale", || {
        part(|[scale, _, _, var], eps| scale / (var + eps).sqrt())
    })?;
    let shift = call.derive("shift", || {
        part(|[scale, shift, mean, var], eps| shift - mean * scale / (var + eps).sqrt())
    })?;
    one(x.pair(&scale, Pair::Mul)?.pair(&shift, Pair::Add)?)
}

fn instance_norm(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let channels = channels(x)?;
    let eps = call.float("epsilon", 1e-5)?;
    let gamma = per_channel(call, 1, channels)?.arranged(&[0], call.device)?;
    let beta = per_channel(call, 2, channels)?.arranged(&[0], call.device)?;
    let order = channels_last(x.rank());
    let made = x
        .arranged(&order, call.device)?
        .group_norm(&gamma, &beta, channels, eps);
    one(Placed::new(made, &order, Element::Float).into())
}

fn group_norm(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let channels = channels(x)?;
    let eps = call.float("epsilon", 1e-5)?;
    let groups = usize::try_from(call.int("num_groups", 0)?).unwrap_or(0);
    need(groups > 0 && channels.is_multiple_of(groups), || {
        format!("splits {channels} channels in {groups} groups")
    })?;
    // Up to version 20 there is a scale for each group.
    let by_group = call.opset < 21;
    let list = |index: usize, purpose: &'static str| {
        if !by_group {
            return per_channel(call, index, channels)?.arranged(&[0], call.device);
        }
        let Some(constant) = call.known(index, "a scale")? else {
            return wrong(format!("lacks its input {index}"));
        };
        per_channel(call, index, groups)?;
        let each = constant.numbers().floats();
        let wide = call.derive(purpose, || {
            let width = channels / groups;
            let numbers = each.iter().flat_map(|&x| std::iter::repeat_n(x, width));
            Ok(Constant::floats(vec![channels], numbers.collect()))
        })?;
        wide.arranged(&[0], call.device)
    };
    let [gamma, beta] = [list(1, "scale")?, list(2, "shift")?];
    let order = channels_last(x.rank());
    let made = x
        .arranged(&order, call.device)?
        .group_norm(&gamma, &beta, groups, eps);
    one(Placed::new(made, &order, Element::Float).into())
}

/// A scale or shift over the normalised axes, as a list; `missing` where the node has none.
fn flat(
    call: &Call,
    index: usize,
    dims: &[usize],
    missing: f32,
    purpose: &'static str,
) -> Fallible<Value> {
    let count = dims.iter().product();
    match call.optional(index) {
        Some(Value::Known(constant)) if constant.dims() == [count] => {
            Ok(Value::Known(constant.clone()))
        }
        Some(value @ Value::Known(_)) => {
            let whole = value.expand(dims)?;
            call.derive(purpose, || {
                let numbers = whole.known().map(|constant| constant.numbers().floats());
                let numbers = numbers.ok_or_else(|| "has a scale that is not known".to_owned())?;
                Ok(Constant::floats(vec![count], numbers))
            })
        }
        Some(value) => value.expand(dims)?.reshape(&[count]),
        None => call.derive(purpose, || {
            Ok(Constant::floats(vec![count], vec![missing; count]))
        }),
    }
}

fn layer_norm(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let axis = call.axis(-1, x.rank())?;
    let eps = call.float("epsilon", 1e-5)?;
    let dims = &x.dims()[axis..];
    let count: usize = dims.iter().product();
    let gamma = flat(call, 1, dims, 1.0, "scale")?.arranged(&[0], call.device)?;
    let beta = flat(call, 2, dims, 0.0, "shift")?.arranged(&[0], call.device)?;
    if dims.len() == 1 {
        let placed = x.with_last(axis, call.device)?;
        let made = placed.tensor().layer_norm(&gamma, &beta, eps);
        return with_moments(call, x, axis, placed.like(made).into());
    }
    let outer: usize = x.dims()[..axis].iter().product();
    let rows = x.reshape(&[outer, count])?.arranged(&[0, 1], call.device)?;
    let made = rows.layer_norm(&gamma, &beta, eps);
    let made = Value::from(Placed::new(made, &natural(2), Element::Float));
    with_moments(call, x, axis, made.reshape(x.dims())?)
}

/// A normalised tensor, and what was taken off and what it was multiplied by where somebody asks.
fn with_moments(call: &Call, x: &Value, axis: usize, made: Value) -> Fallible<Vec<Value>> {
    if call.node.outputs[1..].iter().all(Option::is_none) {
        return one(made);
    }
    let axes: Vec<usize> = (axis..x.rank()).collect();
    let mean = x.total(&axes, Total::Mean)?;
    let squares = x.pair(&mean, Pair::Sub)?.unary(Unary::Square)?;
    let var = squares.total(&axes, Total::Mean)?;
    let var = var.affine(1.0, call.float("epsilon", 1e-5)?)?;
    let factor = var.unary(Unary::Sqrt)?.unary(Unary::Recip)?;
    Ok(vec![made, mean, factor])
}

fn rms_norm(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let axis = call.axis(-1, x.rank())?;
    let axes: Vec<usize> = (axis..x.rank()).collect();
    let mean = x.unary(Unary::Square)?.total(&axes, Total::Mean)?;
    let size = mean
        .affine(1.0, call.float("epsilon", 1e-5)?)?
        .unary(Unary::Sqrt)?;
    one(x.pair(&size, Pair::Div)?.pair(call.input(1)?, Pair::Mul)?)
}

fn lp_norm(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let axis = call.axis(-1, x.rank())?;
    let norm = match call.int("p", 2)? {
        1 => x.unary(Unary::Abs)?.total(&[axis], Total::Sum)?,
        2 => x
            .unary(Unary::Square)?
            .total(&[axis], Total::Sum)?
            .unary(Unary::Sqrt)?,
        p => return wrong(format!("has the norm {p}")),
    };
    one(x.pair(&norm, Pair::Div)?)
}

fn mean_variance_norm(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let axes = match call.int_list("axes")? {
        None => vec![0, 2, 3],
        Some(axes) => axes
            .iter()
            .map(|&axis| host::axis(axis, x.rank()))
            .collect::<Fallible<Vec<_>>>()?,
    };
    need(axes.iter().all(|&axis| axis < x.rank()), || {
        format!("normalises {:?} along {axes:?}", x.dims())
    })?;
    let centred = x.pair(&x.total(&axes, Total::Mean)?, Pair::Sub)?;
    let var = centred.unary(Unary::Square)?.total(&axes, Total::Mean)?;
    let deviation = var.unary(Unary::Sqrt)?.affine(1.0, 1e-9)?;
    one(centred.pair(&deviation, Pair::Div)?)
}

/// `x / (bias + alpha / size sum x^2)^beta`, the sum over neighbouring channels.
fn local_response_norm(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let channels = channels(x)?;
    let size = usize::try_from(call.int("size", 0)?).unwrap_or(0);
    need((1..=channels.max(64)).contains(&size), || {
        format!("sums over {size} channels of {channels}")
    })?;
    let [alpha, beta] = [call.float("alpha", 1e-4)?, call.float("beta", 0.75)?];
    let bias = call.float("bias", 1.0)?;
    let [mut before, mut after] = [vec![0; x.rank()], vec![0; x.rank()]];
    before[1] = (size - 1) / 2;
    after[1] = size - 1 - before[1];
    let squares = x.unary(Unary::Square)?;
    let padded = squares.pad(&before, &after, crate::tensor::PadMode::Zero)?;
    let mut sum = padded.slice(1, 0, channels)?;
    for shift in 1..size {
        sum = sum.pair(&padded.slice(1, shift, channels)?, Pair::Add)?;
    }
    let base = sum.affine(alpha / size as f64, bias)?;
    let power = base
        .unary(Unary::Log)?
        .affine(-beta, 0.0)?
        .unary(Unary::Exp)?;
    one(x.pair(&power, Pair::Mul)?)
}
