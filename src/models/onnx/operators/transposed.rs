//! Transposed convolutions: a convolution with the kernel turned around, over the picture with zeros between its pixels.

use super::{
    super::{
        call::Call,
        constant::Constant,
        fault::{Fallible, elements, need, wrong},
        host::Element,
        placed::{Placed, channels_last},
        value::Value,
    },
    convolutions::{bias, groups, kernel},
    one,
    window::{borders, pair, picture, restored},
};
use crate::tensor::{Conv, PadMode};

pub fn conv_transpose(call: &Call) -> Fallible<Vec<Value>> {
    let (x, flat) = picture(call.input(0)?)?;
    let weight = call.input(1)?;
    let dims = kernel(weight, flat)?;
    let [channels, outputs, tall, wide] = dims;
    let groups = groups(call)?;
    need(
        x.dims()[1] == channels && channels.is_multiple_of(groups) && tall * wide > 0,
        || format!("has a kernel {:?} for {:?}", weight.dims(), x.dims()),
    )?;
    let stride = pair(call, "strides", flat, 1)?;
    let dilation = pair(call, "dilations", flat, 1)?;
    need(stride.iter().chain(&dilation).all(|&step| step > 0), || {
        format!("has steps {stride:?} and dilations {dilation:?}")
    })?;
    let mut more = pair(call, "output_padding", flat, 0)?;
    let mut pad = borders(call, flat)?;
    for axis in 0..2 {
        let reach = dilation[axis] * ([tall, wide][axis] - 1) + 1;
        // Up to version 10 a strided axis and a window may be as large as a border: nothing is left then.
        let full = stride[axis] * (x.dims()[2 + axis] - 1) + reach;
        if let Some(size) = wanted_size(call, flat, axis, x.dims()[2 + axis] * stride[axis])? {
            let total = (full + more[axis]).saturating_sub(size);
            more[axis] += (size).saturating_sub(full + more[axis]);
            let [less, rest] = [total / 2, total - total / 2];
            let lower = call.word("auto_pad", "NOTSET")? == "SAME_LOWER";
            pad[axis] = if lower { [rest, less] } else { [less, rest] };
        }
        need(full + more[axis] > pad[axis][0] + pad[axis][1], || {
            format!("cuts {:?} off a result of {full}", pad[axis])
        })?;
    }
    let spread = spread(&x, stride)?;
    let mut grown = spread;
    for axis in 0..2 {
        let reach = dilation[axis] * ([tall, wide][axis] - 1);
        let [before, after] = [
            reach as i64 - pad[axis][0] as i64,
            (reach + more[axis]) as i64 - pad[axis][1] as i64,
        ];
        grown = framed(&grown, 2 + axis, before, after)?;
    }
    let kernel = turned(call, weight, dims, groups)?.arranged(&[0, 1, 2, 3], call.device)?;
    let order = channels_last(4);
    let bias = bias(call, outputs * groups)?;
    let geometry = Conv {
        dilation,
        groups,
        ..Conv::padded(0)
    };
    let made = grown
        .arranged(&order, call.device)?
        .conv2d(&kernel, bias.as_ref(), geometry);
    one(restored(
        Placed::new(made, &order, Element::Float).into(),
        flat,
    )?)
}

/// The size that a node asks for, where it does.
fn wanted_size(call: &Call, flat: bool, axis: usize, same: usize) -> Fallible<Option<usize>> {
    if call.sizes("output_shape")?.is_some() {
        let size = pair(call, "output_shape", flat, 1)?[axis];
        return Ok(Some(size));
    }
    match call.word("auto_pad", "NOTSET")? {
        "SAME_UPPER" | "SAME_LOWER" => Ok(Some(same)),
        "NOTSET" | "" | "VALID" => Ok(None),
        other => wrong(format!("pads by {other:?}")),
    }
}

/// The picture with zeros between its pixels.
fn spread(x: &Value, stride: [usize; 2]) -> Fallible<Value> {
    let &[batch, channels, h, w] = x.dims() else {
        unreachable!("a picture has four axes")
    };
    if stride == [1, 1] {
        return Ok(x.clone());
    }
    let [down, across] = stride;
    elements(&[batch, channels, h, down, w, across])?;
    let apart = x.reshape(&[batch, channels, h, 1, w, 1])?;
    let after = [0, 0, 0, down - 1, 0, across - 1];
    let apart = apart.pad(&[0; 6], &after, PadMode::Zero)?;
    let wide = apart.reshape(&[batch, channels, h * down, w * across])?;
    wide.slice(2, 0, (h - 1) * down + 1)?
        .slice(3, 0, (w - 1) * across + 1)
}

/// With a border of zeros along an axis, or without an edge where it is negative.
fn framed(x: &Value, axis: usize, before: i64, after: i64) -> Fallible<Value> {
    let [cut, off] = [before, after].map(|side| (-side).max(0) as usize);
    let kept = x.dims()[axis]
        .checked_sub(cut + off)
        .filter(|&kept| kept > 0);
    let Some(kept) = kept else {
        return wrong("cuts the whole picture off");
    };
    let x = x.slice(axis, cut, kept)?;
    let mut sides = [vec![0; x.rank()], vec![0; x.rank()]];
    sides[0][axis] = before.max(0) as usize;
    sides[1][axis] = after.max(0) as usize;
    x.pad(&sides[0], &sides[1], PadMode::Zero)
}

/// `[C, O / groups, kh, kw]` as a convolution takes it, turned by half a turn: `[kh, kw, C / groups, O]`.
fn turned(
    call: &Call,
    weight: &Value,
    [channels, outputs, tall, wide]: [usize; 4],
    groups: usize,
) -> Fallible<Value> {
    let Some(known) = call.known(1, "a kernel")? else {
        return wrong(format!("lacks its kernel {:?}", weight.dims()));
    };
    call.derive("turned", || {
        let from = known.numbers().floats();
        let inner = channels / groups;
        let mut to = Vec::with_capacity(from.len());
        for y in (0..tall).rev() {
            for x in (0..wide).rev() {
                for input in 0..inner {
                    for output in 0..outputs * groups {
                        let channel = output / outputs * inner + input;
                        let row = (channel * outputs + output % outputs) * tall + y;
                        to.push(from[row * wide + x]);
                    }
                }
            }
        }
        Ok(Constant::floats(
            vec![tall, wide, inner, outputs * groups],
            to,
        ))
    })
}
