//! Functions of one to three operands, element by element.

use std::ops::Range;

use super::{
    after::{Chain, base, code, own_operands},
    axes::{Axes, eight, repeated_strides},
    launch::{Launcher, Window},
    shader::{geglu, map},
};
use crate::engine::{
    op::{Binary, Op},
    wgsl::step::{quads, row_quads},
};

/// The number of the function in `shaders/map.wgsl`.
fn function(op: &Op) -> usize {
    match op {
        Op::Binary(binary) => match binary {
            Binary::Add => 1,
            Binary::Sub => 2,
            Binary::Mul => 3,
            Binary::Div => 4,
            Binary::Min => 5,
            Binary::Max => 6,
            Binary::Greater => 7,
            Binary::GreaterEqual => 8,
            Binary::Equal => 9,
            Binary::Mix(..) => 10,
        },
        Op::Select => 11,
        Op::Slope(_) => 12,
        _ => 0,
    }
}

/// Lowers `Unary`, `Slope`, `Binary`, `Select`, `Geglu`.
pub fn lower(launcher: &mut Launcher) {
    if launcher.step.op == Op::Geglu {
        lower_geglu(launcher);
        return;
    }
    let count = own_operands(launcher.step);
    let flat = (0..count).all(|operand| *launcher.shape(operand) == launcher.step.output);
    if flat {
        let all = quads(&launcher.step.output);
        let most = launcher.binding_quads();
        for start in (0..all).step_by(most) {
            let part = start..all.min(start + most);
            let operands = (0..count).map(|operand| launcher.part(operand, part.clone()));
            let operands = operands.collect::<Vec<_>>();
            launch(launcher, None, part, &operands);
        }
    } else {
        lower_repeated(launcher, count);
    }
}

/// Some operand has an axis of extent 1 that is repeated.
fn lower_repeated(launcher: &mut Launcher, count: usize) {
    let output = &launcher.step.output;
    let strides = (0..count).map(|operand| repeated_strides(launcher.shape(operand)));
    let axes = Axes::merged(&output[..output.rank() - 1], &strides.collect::<Vec<_>>());
    let outer = axes.dims[0];
    let inner = quads(output) / outer;
    // The outermost axis is cut so that each operand's part fits.
    let most = (launcher.binding_quads() / inner.max(1)).clamp(1, outer);
    for start in (0..outer).step_by(most) {
        let end = outer.min(start + most);
        let windows: Vec<_> = (0..count)
            .map(|operand| {
                let stride = axes.strides[operand][0];
                if stride == 0 {
                    launcher.whole(operand)
                } else {
                    launcher.part(operand, start * stride..end * stride)
                }
            })
            .collect();
        launch(launcher, Some(&axes), start * inner..end * inner, &windows);
    }
}

/// Adds the launch for a part of the output; without `axes` the operands have the output's shape.
fn launch(launcher: &mut Launcher, axes: Option<&Axes>, part: Range<usize>, operands: &[Window]) {
    let step = launcher.step;
    let own = match step.op {
        Op::Unary(function) => Some(function),
        _ => None,
    };
    let chain = Chain::with(step, own);
    let added = chain.added(launcher, part.clone());
    let per_row = chain.per_row(launcher);
    let out = launcher.out(part.clone());
    let strides = |operand: usize| {
        let strides = axes.and_then(|axes| axes.strides.get(operand));
        eight(strides.map_or(&[], Vec::as_slice))
    };
    let params = map::Params {
        dims: eight(axes.map_or(&[], |axes| &axes.dims)),
        x_strides: strides(0),
        y_strides: strides(1),
        z_strides: strides(2),
        count: part.len() as u32,
        first: part.start as u32,
        columns: step.output.last() as u32,
        row_quads: row_quads(&step.output) as u32,
        batch_rows: (step.output.rows() / step.output[0].min(step.output.rows())) as u32,
        x_base: base(operands.first()),
        y_base: base(operands.get(1)),
        z_base: base(operands.get(2)),
        added_base: base(added.as_ref()),
        per_row_base: base(per_row.as_ref()),
        out_base: out.base,
    };
    let mut constants = vec![
        ("FUNCTION", function(&step.op) as f64),
        ("RANK", axes.map_or(0, |axes| axes.dims.len()) as f64),
    ];
    if let Op::Slope(function) = step.op {
        constants.push(("SLOPE", code(function) as f64));
    }
    for (operand, name) in (0..operands.len()).zip(["SPLAT_X", "SPLAT_Y", "SPLAT_Z"]) {
        if launcher.shape(operand).last() < step.output.last() {
            constants.push((name, 1.0));
        }
    }
    constants.extend(chain.constants);
    let bindings = [
        operands.first(),
        operands.get(1),
        operands.get(2),
        added.as_ref(),
        per_row.as_ref(),
        Some(&out),
    ];
    launcher.each(part.len(), &params, constants, &bindings);
}

fn lower_geglu(launcher: &mut Launcher) {
    let output = &launcher.step.output;
    let width = row_quads(output);
    let wide = row_quads(launcher.shape(0));
    let rows = output.rows();
    let most = (launcher.binding_quads() / wide).max(1);
    for start in (0..rows).step_by(most) {
        let end = rows.min(start + most);
        let x = launcher.part(0, start * wide..end * wide);
        let out = launcher.out(start * width..end * width);
        let params = geglu::Params {
            count: ((end - start) * width) as u32,
            columns: output.last() as u32,
            row_quads: width as u32,
            x_row_quads: wide as u32,
            x_base: x.base,
            out_base: out.base,
        };
        launcher.each(
            (end - start) * width,
            &params,
            Vec::new(),
            &[Some(&x), Some(&out)],
        );
    }
}
