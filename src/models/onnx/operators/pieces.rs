//! Parts of tensors, and tensors of parts.

use super::{
    super::{
        call::Call,
        constant::Constant,
        fault::{Fallible, elements, need, wrong},
        host,
        value::{Pair, Value},
    },
    Operation, one,
};
use crate::tensor::PadMode;

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "Concat" => concat,
        "Split" => split,
        "Slice" => slice,
        "Gather" => gather,
        "Pad" => pad,
        "Tile" => tile,
        "Trilu" => triangle,
        _ => return None,
    })
}

fn concat(call: &Call) -> Fallible<Vec<Value>> {
    let all = call.all()?;
    let rank = all[0].rank();
    one(Value::concat(&all, call.axis(0, rank)?)?)
}

fn split(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let axis = call.axis(0, x.rank())?;
    let extent = x.dims()[axis];
    let lengths: Vec<usize> = if let Some(lengths) = call.ints("split", 1)? {
        let length = |&length: &i64| usize::try_from(length).unwrap_or(usize::MAX);
        lengths.iter().map(length).collect()
    } else {
        let parts = call.int("num_outputs", call.node.outputs.len() as i64)?;
        let parts = usize::try_from(parts).unwrap_or(0).clamp(1, extent.max(1));
        let length = extent.div_ceil(parts);
        (0..parts)
            .map(|part| length.min(extent.saturating_sub(part * length)))
            .collect()
    };
    let sum = lengths
        .iter()
        .try_fold(0_usize, |sum, &length| sum.checked_add(length));
    need(
        sum == Some(extent) && lengths.len() >= call.node.outputs.len(),
        || format!("splits an axis of {extent} in {lengths:?}"),
    )?;
    let mut start = 0;
    let mut parts = Vec::with_capacity(lengths.len());
    for (part, length) in lengths.into_iter().enumerate() {
        // A part that nobody takes is not cut.
        if call.node.outputs.get(part).is_some_and(Option::is_some) {
            parts.push(x.slice(axis, start, length)?);
        } else {
            parts.push(x.clone());
        }
        start += length;
    }
    Ok(parts)
}

fn slice(call: &Call) -> Fallible<Vec<Value>> {
    let mut x = call.input(0)?.clone();
    let (Some(starts), Some(ends)) = (call.ints("starts", 1)?, call.ints("ends", 2)?) else {
        return wrong("does not say where it cuts");
    };
    let axes = call.ints("axes", 3)?;
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call
        .ints("steps", 4)?
        .unwrap_or_else(|| vec![1; starts.len()]);
    need(
        [ends.len(), axes.len(), steps.len()] == [starts.len(); 3],
        || "says lists of different lengths".to_owned(),
    )?;
    for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
        let axis = host::axis(axis, x.rank())?;
        let indices = indices(start, end, step, x.dims()[axis])?;
        x = x.take(axis, &indices)?;
    }
    one(x)
}

/// The indices that a slice takes, counted from the end where negative and cut where they leave the axis.
fn indices(start: i64, end: i64, step: i64, extent: usize) -> Fallible<Vec<usize>> {
    need(step != 0, || "cuts in steps of 0".to_owned())?;
    let extent = extent as i64;
    let counted = |index: i64| {
        if index < 0 {
            index.saturating_add(extent)
        } else {
            index
        }
    };
    let [start, end] = [counted(start), counted(end)];
    let (mut at, end) = if step > 0 {
        (start.clamp(0, extent), end.clamp(0, extent))
    } else {
        (start.clamp(0, extent - 1), end.clamp(-1, extent - 1))
    };
    let mut indices = Vec::new();
    while if step > 0 { at < end } else { at > end } {
        indices.push(at as usize);
        at = at.saturating_add(step);
    }
    Ok(indices)
}

fn gather(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let axis = call.axis(0, x.rank())?;
    let extent = x.dims()[axis] as i64;
    let Some(indices) = call.known(1, "indices")? else {
        return wrong("does not say indices");
    };
    let places: Option<Vec<usize>> = indices
        .ints()?
        .iter()
        .map(|&index| {
            if index < 0 {
                index.saturating_add(extent)
            } else {
                index
            }
        })
        .map(|index| usize::try_from(index).ok().filter(|_| index < extent))
        .collect();
    let Some(places) = places else {
        return wrong(format!("names an index that an axis of {extent} has not"));
    };
    let dims = [&x.dims()[..axis], indices.dims(), &x.dims()[axis + 1..]].concat();
    one(x.take(axis, &places)?.reshape(&dims)?)
}

fn pad(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let Some(pads) = call.ints("pads", 1)? else {
        return wrong("does not say how much");
    };
    let axes = match call.ints("axes", 3)? {
        None => (0..x.rank()).collect(),
        Some(axes) => axes
            .into_iter()
            .map(|axis| host::axis(axis, x.rank()))
            .collect::<Fallible<Vec<_>>>()?,
    };
    need(pads.len() == 2 * axes.len(), || {
        format!("says {} borders for {} axes", pads.len(), axes.len())
    })?;
    let mut sides = [vec![0; x.rank()], vec![0; x.rank()]];
    for (turn, &axis) in axes.iter().enumerate() {
        sides[0][axis] = pads[turn];
        sides[1][axis] = pads[axes.len() + turn];
    }
    need(pads.iter().all(|pad| pad.abs() < 1 << 24), || {
        format!("pads by {pads:?}")
    })?;
    // What is taken away is taken first: mirrors stand at the edge that is left.
    let mut x = x.clone();
    for axis in 0..x.rank() {
        let [before, after] = [&sides[0], &sides[1]].map(|side| (-side[axis]).max(0) as usize);
        let kept = x.dims()[axis]
            .checked_sub(before + after)
            .filter(|&kept| kept > 0);
        let Some(kept) = kept else {
            return wrong(format!("takes all of an axis of {} away", x.dims()[axis]));
        };
        x = x.slice(axis, before, kept)?;
    }
    let [before, after] = sides.map(|side| {
        side.iter()
            .map(|&pad| pad.max(0) as usize)
            .collect::<Vec<_>>()
    });
    match call.word("mode", "constant")? {
        "constant" => {
            let value = match call.optional(2) {
                None => Some(call.float("value", 0.0)?),
                Some(value) => value.single(),
            };
            let Some(value) = value else {
                return wrong("fills with what depends on the picture");
            };
            one(filled(call, &x, &before, &after, value)?)
        }
        "reflect" => one(x.pad(&before, &after, PadMode::Reflect)?),
        "edge" => one(x.pad(&before, &after, PadMode::Edge)?),
        other => wrong(format!("pads by the mode {other:?}")),
    }
}

/// Grown by a border of one number: zeros, and what is zero inside and that number outside.
pub fn filled(
    call: &Call,
    x: &Value,
    before: &[usize],
    after: &[usize],
    number: f64,
) -> Fallible<Value> {
    let grown = x.pad(before, after, PadMode::Zero)?;
    if number == 0.0 || grown.dims() == x.dims() {
        return Ok(grown);
    }
    let number = number.clamp(f64::from(f32::MIN), f64::from(f32::MAX));
    let border = call.derive("border", || {
        let inside: Vec<usize> = (0..x.rank())
            .map(|axis| {
                if before[axis] + after[axis] > 0 {
                    x.dims()[axis]
                } else {
                    1
                }
            })
            .collect();
        let ones = vec![1.0; elements(&inside)?];
        let ones = Value::from(Constant::floats(inside, ones));
        let border = ones
            .pad(before, after, PadMode::Zero)?
            .affine(-number, number)?;
        let numbers = border.known().map(|constant| constant.numbers().clone());
        let numbers = numbers.ok_or_else(|| "pads what is not there".to_owned())?;
        Ok(Constant::new(
            border.dims().to_vec(),
            border.element(),
            numbers,
        ))
    })?;
    Ok(grown.pair(&border, Pair::Add)?.meaning(x.element()))
}

fn tile(call: &Call) -> Fallible<Vec<Value>> {
    let mut x = call.input(0)?.clone();
    let Some(repeats) = call.ints("repeats", 1)? else {
        return wrong("does not say how often");
    };
    need(repeats.len() == x.rank(), || {
        format!("repeats {:?} by {repeats:?}", x.dims())
    })?;
    for (axis, &count) in repeats.iter().enumerate() {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut dims = x.dims().to_vec();
        dims[axis] = dims[axis].saturating_mul(count);
        elements(&dims)?;
        x = match x.dims()[axis] {
            1 => x.expand(&dims)?,
            extent => {
                let indices: Vec<usize> = (0..count).flat_map(|_| 0..extent).collect();
                x.take(axis, &indices)?
            }
        };
    }
    one(x)
}

/// What is on and above a diagonal of matrices, or on and below it.
fn triangle(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let &[.., rows, columns] = x.dims() else {
        return wrong(format!("cuts a triangle out of {:?}", x.dims()));
    };
    let offset = match call.known(1, "a diagonal")? {
        None => 0,
        Some(constant) => constant.single().unwrap_or(0.0) as i64,
    };
    let upper = call.flag("upper", true)?;
    let mask = call.derive("triangle", || {
        let kept = |at: usize| {
            let right = (at % columns) as i64 - (at / columns) as i64;
            if upper {
                right >= offset
            } else {
                right <= offset
            }
        };
        let cells = (0..elements(&[rows, columns])?).map(|at| i64::from(kept(at)));
        let numbers = host::Numbers::Int(cells.collect());
        Ok(Constant::new(
            vec![rows, columns],
            host::Element::Int,
            numbers,
        ))
    })?;
    one(x.pair(&mask, Pair::Mul)?)
}
