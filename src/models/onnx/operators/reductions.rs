//! What is left of an axis: sums, norms, extremes and their places.

use super::{
    super::{
        call::Call,
        constant::Constant,
        fault::{Fallible, need},
        host::Element,
        value::{Pair, Total, Value},
    },
    Operation, one,
};
use crate::tensor::Unary;

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "ReduceSum" => |call| reduce(call, |x, axes| x.total(axes, Total::Sum)),
        "ReduceMean" => |call| reduce(call, |x, axes| x.total(axes, Total::Mean)),
        "ReduceMax" => |call| reduce(call, |x, axes| x.total(axes, Total::Max)),
        "ReduceMin" => |call| reduce(call, |x, axes| x.total(axes, Total::Min)),
        "ReduceProd" => |call| reduce(call, |x, axes| x.total(axes, Total::Product)),
        "ReduceL1" => |call| reduce(call, |x, axes| x.unary(Unary::Abs)?.total(axes, Total::Sum)),
        "ReduceL2" => |call| reduce(call, |x, axes| square_sum(x, axes)?.unary(Unary::Sqrt)),
        "ReduceSumSquare" => |call| reduce(call, square_sum),
        "ReduceLogSum" => {
            |call| reduce(call, |x, axes| x.total(axes, Total::Sum)?.unary(Unary::Log))
        }
        "ReduceLogSumExp" => |call| reduce(call, log_sum_exp),
        "GlobalAveragePool" => |call| global(call, Total::Mean),
        "GlobalMaxPool" => |call| global(call, Total::Max),
        "ArgMax" => |call| place(call, Total::Max),
        "ArgMin" => |call| place(call, Total::Min),
        _ => return None,
    })
}

fn reduce(call: &Call, function: fn(&Value, &[usize]) -> Fallible<Value>) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let axes = call.axes("axes", 1, x.rank())?;
    let axes = axes.filter(|axes| !axes.is_empty());
    if axes.is_none() && call.flag("noop_with_empty_axes", false)? {
        return one(x.clone());
    }
    let axes = axes.unwrap_or_else(|| (0..x.rank()).collect());
    let reduced = function(x, &axes)?;
    one(if call.flag("keepdims", true)? {
        reduced
    } else {
        reduced.squeeze(&axes)?
    })
}

fn square_sum(x: &Value, axes: &[usize]) -> Fallible<Value> {
    x.unary(Unary::Square)?.total(axes, Total::Sum)
}

fn log_sum_exp(x: &Value, axes: &[usize]) -> Fallible<Value> {
    let most = x.total(axes, Total::Max)?;
    let sum = x
        .pair(&most, Pair::Sub)?
        .unary(Unary::Exp)?
        .total(axes, Total::Sum)?;
    sum.unary(Unary::Log)?.pair(&most, Pair::Add)
}

fn global(call: &Call, total: Total) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let axes: Vec<usize> = (2..x.rank()).collect();
    one(x.total(&axes, total)?)
}

/// The index of the greatest or least element along an axis: where it stands, its index counts, elsewhere one that loses.
fn place(call: &Call, total: Total) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    need(x.rank() > 0, || {
        "looks along an axis of a single number".to_owned()
    })?;
    let axis = call.axis(0, x.rank())?;
    let extent = x.dims()[axis];
    let last = call.flag("select_last_index", false)?;
    let indices = call.derive("indices", || {
        let mut dims = vec![1; x.rank()];
        dims[axis] = extent;
        Ok(Constant::floats(
            dims,
            (0..extent).map(|i| i as f32).collect(),
        ))
    })?;
    let (loses, wins) = if last {
        (-1.0, Total::Max)
    } else {
        (extent as f64, Total::Min)
    };
    let hit = x.pair(&x.total(&[axis], total)?, Pair::Equal)?;
    let loses = call.number("loses", loses)?;
    let found = hit.select(&indices, &loses)?.total(&[axis], wins)?;
    let found = found.meaning(Element::Int);
    one(if call.flag("keepdims", true)? {
        found
    } else {
        found.squeeze(&[axis])?
    })
}
