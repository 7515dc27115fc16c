//! The same elements under another shape or order.

use super::{
    super::{
        call::Call,
        fault::{Fallible, need, wrong},
        host,
        value::Value,
    },
    Operation, one,
};

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "Reshape" => reshape,
        "Flatten" => flatten,
        "Squeeze" => squeeze,
        "Unsqueeze" => unsqueeze,
        "Transpose" => transpose,
        "DepthToSpace" => depth_to_space,
        "SpaceToDepth" => space_to_depth,
        _ => return None,
    })
}

fn reshape(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let Some(shape) = call.ints("shape", 1)? else {
        return wrong("does not say a shape");
    };
    let keeps_zeros = call.flag("allowzero", false)?;
    let mut dims = Vec::with_capacity(shape.len());
    let mut open = None;
    for (axis, &dim) in shape.iter().enumerate() {
        dims.push(match dim {
            0 if !keeps_zeros => {
                need(axis < x.rank(), || {
                    format!("keeps axis {axis} of {:?}", x.dims())
                })?;
                x.dims()[axis]
            }
            -1 if open.is_none() => {
                open = Some(axis);
                1
            }
            dim if dim >= 0 => dim as usize,
            _ => return wrong(format!("makes a tensor {shape:?}")),
        });
    }
    if let Some(axis) = open {
        let rest = dims
            .iter()
            .try_fold(1_usize, |product, &dim| product.checked_mul(dim));
        let rest = rest.filter(|&rest| rest > 0 && x.count().is_multiple_of(rest));
        let Some(rest) = rest else {
            return wrong(format!("makes {shape:?} of {:?}", x.dims()));
        };
        dims[axis] = x.count() / rest;
    }
    one(x.reshape(&dims)?)
}

fn flatten(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let axis = call.int("axis", 1)?;
    let axis = if axis == x.rank() as i64 {
        x.rank()
    } else {
        host::axis(axis, x.rank())?
    };
    let outer = x.dims()[..axis].iter().product();
    let inner = x.dims()[axis..].iter().product();
    one(x.reshape(&[outer, inner])?)
}

fn squeeze(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let axes = match call.axes("axes", 1, x.rank())? {
        Some(axes) => axes,
        None => (0..x.rank()).filter(|&axis| x.dims()[axis] == 1).collect(),
    };
    one(x.squeeze(&axes)?)
}

fn unsqueeze(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let Some(named) = call.ints("axes", 1)? else {
        return wrong("does not say axes");
    };
    let rank = x.rank() + named.len();
    let axes = call.axes("axes", 1, rank)?.unwrap_or_default();
    need(axes.len() == named.len(), || {
        format!("names an axis twice: {named:?}")
    })?;
    let mut rest = x.dims().iter();
    let dims: Vec<usize> = (0..rank)
        .map(|axis| {
            if axes.contains(&axis) {
                1
            } else {
                *rest.next().expect("as many axes as are left")
            }
        })
        .collect();
    one(x.reshape(&dims)?)
}

fn transpose(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let axes = call.sizes("perm")?;
    let axes = axes.unwrap_or_else(|| (0..x.rank()).rev().collect());
    one(x.permute(&axes)?)
}

fn depth_to_space(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let (block, [batch, channels, h, w]) = block(call, x)?;
    need(channels.is_multiple_of(block * block), || {
        format!("spreads {channels} channels over blocks of {block} x {block}")
    })?;
    let depth = channels / (block * block);
    let split = match call.word("mode", "DCR")? {
        "DCR" => x
            .reshape(&[batch, block, block, depth, h, w])?
            .permute(&[0, 3, 4, 1, 5, 2])?,
        "CRD" => x
            .reshape(&[batch, depth, block, block, h, w])?
            .permute(&[0, 1, 4, 2, 5, 3])?,
        other => return wrong(format!("has the mode {other:?}")),
    };
    one(split.reshape(&[batch, depth, h * block, w * block])?)
}

fn space_to_depth(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let (block, [batch, channels, h, w]) = block(call, x)?;
    need(h.is_multiple_of(block) && w.is_multiple_of(block), || {
        format!("cuts {h} x {w} in blocks of {block} x {block}")
    })?;
    let split = x.reshape(&[batch, channels, h / block, block, w / block, block])?;
    let split = split.permute(&[0, 3, 5, 1, 2, 4])?;
    one(split.reshape(&[batch, channels * block * block, h / block, w / block])?)
}

fn block(call: &Call, x: &Value) -> Fallible<(usize, [usize; 4])> {
    let block = usize::try_from(call.int("blocksize", 0)?).unwrap_or(0);
    match <[usize; 4]>::try_from(x.dims()) {
        Ok(dims) if block > 0 && block < 1 << 12 => Ok((block, dims)),
        _ => wrong(format!("takes blocks of {block} from {:?}", x.dims())),
    }
}
