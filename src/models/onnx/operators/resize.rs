//! Resampling, in all of ONNX's modes.
//!
//! Along each axis the new elements are sums of old ones. Modes that the engines know are left to them; any other is a matrix
//! product along the axis, with weights from the rules of <https://onnx.ai/onnx/operators/onnx__Resize.html>.

use super::{
    super::{
        call::Call,
        constant::Constant,
        fault::{Fallible, need, wrong},
        host,
        value::Value,
    },
    Operation, one,
    resample::{Axis, Coordinates, Mode, Rounding, resampled},
};

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "Resize" => resize,
        "Upsample" => upsample,
        _ => return None,
    })
}

fn upsample(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let scales = match call.float_list("scales")? {
        Some(scales) => scales.to_vec(),
        None => match call.known(1, "scales")? {
            Some(constant) => constant.numbers().floats(),
            None => return wrong("does not say how large"),
        },
    };
    let mode = match call.word("mode", "nearest")? {
        "nearest" => Mode::Nearest(Rounding::Floor),
        "linear" | "bilinear" => Mode::Linear,
        other => return wrong(format!("has the mode {other:?}")),
    };
    need(scales.len() == x.rank(), || {
        format!("has {} scales for {:?}", scales.len(), x.dims())
    })?;
    let mut axes = Vec::new();
    for (&from, &scale) in x.dims().iter().zip(&scales) {
        axes.push(Axis {
            from,
            to: scaled(from, f64::from(scale))?,
            scale: f64::from(scale),
            coordinates: Coordinates::Asymmetric,
            mode,
            exclude_outside: false,
            antialias: false,
            extrapolation: 0.0,
        });
    }
    one(resampled(call, x, &axes)?)
}

/// An extent times a scale.
fn scaled(extent: usize, scale: f64) -> Fallible<usize> {
    let size = (extent as f64 * scale).floor();
    need((1.0..16_777_216.0).contains(&size), || {
        format!("resamples {extent} elements to {size}")
    })?;
    Ok(size as usize)
}

fn resize(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let early = call.opset < 11;
    let scales = call.known(if early { 1 } else { 2 }, "scales")?;
    let scales = scales.filter(|scales| !scales.numbers().is_empty());
    let sizes = if early { None } else { call.known(3, "sizes")? };
    let sizes = sizes.filter(|sizes| !sizes.numbers().is_empty());
    let named = match call.int_list("axes")? {
        None => (0..x.rank()).collect(),
        Some(axes) => axes
            .iter()
            .map(|&axis| host::axis(axis, x.rank()))
            .collect::<Fallible<Vec<_>>>()?,
    };
    let crop = region(call, named.len())?;
    let template = template(call, early)?;
    let mut axes: Vec<Axis> = x
        .dims()
        .iter()
        .map(|&from| Axis {
            from,
            to: from,
            scale: 1.0,
            ..template
        })
        .collect();
    let count = |constant: &Constant| constant.numbers().len();
    need(scales.or(sizes).map(count) == Some(named.len()), || {
        "does not say how large".to_owned()
    })?;
    for (turn, &axis) in named.iter().enumerate() {
        let from = x.dims()[axis];
        let target = &mut axes[axis];
        if let Some(scales) = scales {
            target.scale = f64::from(scales.numbers().floats()[turn]);
            target.to = scaled(from, target.scale)?;
        } else if let Some(sizes) = sizes {
            let size = sizes.ints()?[turn];
            let fits = (1..1 << 24).contains(&size);
            need(fits, || format!("resamples {from} elements to {size}"))?;
            target.to = size as usize;
            target.scale = size as f64 / from as f64;
        }
        if let Some(crop) = &crop {
            target.coordinates = Coordinates::Crop(crop[turn]);
        }
    }
    let policy = call.word("keep_aspect_ratio_policy", "stretch")?;
    if sizes.is_some() && policy != "stretch" {
        keep_aspect(&mut axes, &named, policy)?;
    }
    one(resampled(call, x, &axes)?)
}

/// The part of each axis that is resampled, where a node crops.
fn region(call: &Call, axes: usize) -> Fallible<Option<Vec<[f64; 2]>>> {
    if call.word("coordinate_transformation_mode", "half_pixel")? != "tf_crop_and_resize" {
        return Ok(None);
    }
    let Some(roi) = call.known(1, "a region")? else {
        return wrong("crops to no region");
    };
    let roi = roi.numbers().floats();
    need(roi.len() == 2 * axes, || {
        format!("crops {axes} axes to {} limits", roi.len())
    })?;
    let side = |axis: usize| [roi[axis], roi[axes + axis]].map(f64::from);
    Ok(Some((0..axes).map(side).collect()))
}

/// What a node says of all its axes.
fn template(call: &Call, early: bool) -> Fallible<Axis> {
    let coordinates = if early { "asymmetric" } else { "half_pixel" };
    let coordinates = match call.word("coordinate_transformation_mode", coordinates)? {
        // Cropping is said for each axis.
        "half_pixel" | "tf_crop_and_resize" => Coordinates::HalfPixel,
        "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        "tf_half_pixel_for_nn" => Coordinates::HalfPixelForNearest,
        other => return wrong(format!("has the coordinates {other:?}")),
    };
    let rounding = if early { "floor" } else { "round_prefer_floor" };
    let rounding = match call.word("nearest_mode", rounding)? {
        "round_prefer_floor" => Rounding::HalfDown,
        "round_prefer_ceil" => Rounding::HalfUp,
        "floor" => Rounding::Floor,
        "ceil" => Rounding::Ceil,
        other => return wrong(format!("rounds by {other:?}")),
    };
    let mode = match call.word("mode", "nearest")? {
        "nearest" => Mode::Nearest(rounding),
        "linear" => Mode::Linear,
        "cubic" => Mode::Cubic {
            a: call.float("cubic_coeff_a", -0.75)?,
        },
        other => return wrong(format!("has the mode {other:?}")),
    };
    Ok(Axis {
        from: 0,
        to: 0,
        scale: 1.0,
        coordinates,
        mode,
        exclude_outside: call.flag("exclude_outside", false)?,
        antialias: call.flag("antialias", false)?,
        extrapolation: call.float("extrapolation_value", 0.0)?,
    })
}

/// One scale for all axes: the least that fills their sizes, or the greatest that fits in.
fn keep_aspect(axes: &mut [Axis], named: &[usize], policy: &str) -> Fallible<()> {
    let scales = named.iter().map(|&axis| axes[axis].scale);
    let scale = match policy {
        "not_larger" => scales.fold(f64::INFINITY, f64::min),
        "not_smaller" => scales.fold(0.0, f64::max),
        other => return wrong(format!("keeps the aspect by {other:?}")),
    };
    for &axis in named {
        let target = &mut axes[axis];
        target.scale = scale;
        target.to = ((target.from as f64 * scale).round() as usize).max(1);
    }
    Ok(())
}
