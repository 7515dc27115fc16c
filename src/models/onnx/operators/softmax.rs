//! Softmax and its kin.

use super::{
    super::{
        call::Call,
        fault::Fallible,
        host,
        value::{Pair, Total, Value},
    },
    Operation, one,
};
use crate::tensor::Unary;

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "Softmax" => |call| along(call, softmax),
        "LogSoftmax" => |call| along(call, log_softmax),
        _ => return None,
    })
}

/// Up to version 12, all axes from the one named on count as one.
fn along(
    call: &Call,
    function: fn(&Call, &Value, usize) -> Fallible<Value>,
) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    if call.opset >= 13 {
        return one(function(call, x, call.axis(-1, x.rank())?)?);
    }
    let axis = host::axis(call.int("axis", 1)?, x.rank())?;
    if x.dims()[axis + 1..].iter().all(|&extent| extent == 1) {
        return one(function(call, x, axis)?);
    }
    let outer = x.dims()[..axis].iter().product();
    let inner = x.dims()[axis..].iter().product();
    let rows = x.reshape(&[outer, inner])?;
    one(function(call, &rows, 1)?.reshape(x.dims())?)
}

fn softmax(call: &Call, x: &Value, axis: usize) -> Fallible<Value> {
    let placed = x.with_last(axis, call.device)?;
    Ok(placed.like(placed.tensor().softmax()).into())
}

fn log_softmax(_: &Call, x: &Value, axis: usize) -> Fallible<Value> {
    let shifted = x.pair(&x.total(&[axis], Total::Max)?, Pair::Sub)?;
    let sum = shifted.unary(Unary::Exp)?.total(&[axis], Total::Sum)?;
    shifted.pair(&sum.unary(Unary::Log)?, Pair::Sub)
}
