//! Convolutions.

use super::{
    super::{
        call::Call,
        fault::{Fallible, elements, need, wrong},
        host::Element,
        placed::{Placed, channels_last},
        value::Value,
    },
    Operation, one, transposed,
    window::{Window, picture, restored},
};
use crate::tensor::Conv;

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "Conv" => conv,
        "ConvTranspose" => transposed::conv_transpose,
        _ => return None,
    })
}

/// In how many groups the channels are.
pub fn groups(call: &Call) -> Fallible<usize> {
    match usize::try_from(call.int("group", 1)?) {
        Ok(groups) if groups > 0 => Ok(groups),
        _ => wrong("has channels in no groups"),
    }
}

/// A kernel as a picture has it: a signal's has height 1.
pub fn kernel(weight: &Value, flat: bool) -> Fallible<[usize; 4]> {
    match (flat, weight.dims()) {
        (true, &[first, second, wide]) => Ok([first, second, 1, wide]),
        (false, &[first, second, tall, wide]) => Ok([first, second, tall, wide]),
        (_, dims) => wrong(format!("has a kernel {dims:?}")),
    }
}

fn conv(call: &Call) -> Fallible<Vec<Value>> {
    let (x, flat) = picture(call.input(0)?)?;
    let weight = call.input(1)?;
    let [outputs, inner, tall, wide] = kernel(weight, flat)?;
    let groups = groups(call)?;
    let &[batch, channels, h, w] = x.dims() else {
        unreachable!("a picture has four axes")
    };
    need(
        channels == inner * groups && outputs.is_multiple_of(groups),
        || {
            format!(
                "has a kernel {:?} in {groups} groups for {channels} channels",
                weight.dims()
            )
        },
    )?;
    let window = Window::new(call, [h, w], [tall, wide], flat)?;
    elements(&[batch, outputs, window.output[0], window.output[1]])?;
    // A signal's kernel gets its height when it is brought to the device.
    let weight = if flat {
        let weight = weight.arranged(&[2, 1, 0], call.device)?;
        weight.reshape([1, wide, inner, outputs])
    } else {
        weight.arranged(&[2, 3, 1, 0], call.device)?
    };
    let bias = bias(call, outputs)?;
    let geometry = Conv {
        stride: window.stride,
        pad: window.border(),
        dilation: window.dilation,
        groups,
    };
    let order = channels_last(4);
    let x = x.arranged(&order, call.device)?;
    let made = x.conv2d(&weight, bias.as_ref(), geometry);
    one(restored(
        Placed::new(made, &order, Element::Float).into(),
        flat,
    )?)
}

/// What is added to each channel, when the node says so.
pub fn bias(call: &Call, outputs: usize) -> Fallible<Option<crate::tensor::Tensor>> {
    let Some(bias) = call.optional(2) else {
        return Ok(None);
    };
    need(bias.dims() == [outputs], || {
        format!("adds {:?} to {outputs} channels", bias.dims())
    })?;
    Ok(Some(bias.arranged(&[0], call.device)?))
}
