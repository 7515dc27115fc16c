//! Pools.

use super::{
    super::{
        call::Call,
        fault::{Fallible, elements, need, wrong},
        host::Element,
        placed::{Placed, channels_last},
        value::{Pair, Value},
    },
    Operation, one,
    pieces::filled,
    window::{Window, picture, restored},
};
use crate::tensor::{PadMode, Pooling};

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "MaxPool" => max_pool,
        "AveragePool" => average_pool,
        _ => return None,
    })
}

/// A pool's picture, its window, how far the last window reaches past the border, and whether it is a signal.
fn read(call: &Call) -> Fallible<(Value, Window, [usize; 2], bool)> {
    let (x, flat) = picture(call.input(0)?)?;
    let kernel = super::window::pair(call, "kernel_shape", flat, 1)?;
    need(call.sizes("kernel_shape")?.is_some(), || {
        "does not say the size of its window".to_owned()
    })?;
    let mut window = Window::new(call, [x.dims()[2], x.dims()[3]], kernel, flat)?;
    let over = if call.flag("ceil_mode", false)? {
        window.round_up()
    } else {
        [0; 2]
    };
    let [tall, wide] = window.output;
    elements(&[x.dims()[0], x.dims()[1], tall, wide])?;
    Ok((x, window, over, flat))
}

fn max_pool(call: &Call) -> Fallible<Vec<Value>> {
    need(call.node.outputs.get(1).is_none_or(Option::is_none), || {
        "is asked for the places of its maxima, which are not known here".to_owned()
    })?;
    let (x, mut window, over, flat) = read(call)?;
    for (pad, over) in window.pad.iter_mut().zip(over) {
        pad[1] += over;
    }
    let whole = x.element();
    let made = if window.dilation == [1, 1] {
        pooled(call, &x, &window, Pooling::Max)?
    } else {
        dilated(call, &x, &window)?
    };
    one(restored(made.meaning(whole), flat)?)
}

/// A dilated window takes every so many pixels: a maximum of shifted pictures.
fn dilated(call: &Call, x: &Value, window: &Window) -> Fallible<Value> {
    let [[top, bottom], [left, right]] = window.pad;
    let x = filled(
        call,
        x,
        &[0, 0, top, left],
        &[0, 0, bottom, right],
        f64::from(f32::MIN),
    )?;
    let taken = |at: usize, axis: usize| -> Vec<usize> {
        let first = at * window.dilation[axis];
        (0..window.output[axis])
            .map(|index| first + index * window.stride[axis])
            .collect()
    };
    let mut most: Option<Value> = None;
    for y in 0..window.kernel[0] {
        let rows = x.take(2, &taken(y, 0))?;
        for column in 0..window.kernel[1] {
            let shifted = rows.take(3, &taken(column, 1))?;
            most = Some(match most {
                None => shifted,
                Some(most) => most.pair(&shifted, Pair::Max)?,
            });
        }
    }
    most.map_or_else(|| wrong("has an empty window"), Ok)
}

fn average_pool(call: &Call) -> Fallible<Vec<Value>> {
    let (mut x, mut window, over, flat) = read(call)?;
    need(window.dilation == [1, 1], || {
        "averages over a dilated window, which is not known here".to_owned()
    })?;
    if call.flag("count_include_pad", false)? {
        let [[top, bottom], [left, right]] = window.pad;
        x = x.pad(&[0, 0, top, left], &[0, 0, bottom, right], PadMode::Zero)?;
        window.pad = [[0; 2]; 2];
    }
    for (pad, over) in window.pad.iter_mut().zip(over) {
        pad[1] += over;
    }
    one(restored(pooled(call, &x, &window, Pooling::Mean)?, flat)?)
}

fn pooled(call: &Call, x: &Value, window: &Window, pooling: Pooling) -> Fallible<Value> {
    let inside = (0..2).all(|axis| {
        let [before, after] = window.pad[axis];
        before < window.kernel[axis] && after < window.kernel[axis]
    });
    need(inside, || {
        format!(
            "has a border {:?} that a window of {:?} lies in wholly",
            window.pad, window.kernel
        )
    })?;
    let order = channels_last(4);
    let x = x.arranged(&order, call.device)?;
    let made = x.pool(pooling, window.kernel, window.stride, window.border());
    Ok(Placed::new(made, &order, Element::Float).into())
}
