//! Reductions and softmax.

use super::{
    axes::{Axes, eight, outer_strides},
    launch::{Launcher, flag},
    shader::{reduce, softmax},
};
use crate::engine::{
    op::{Op, Reduction},
    wgsl::step::{quads, row_quads},
};

/// Lowers `Reduce` and `Softmax`.
pub fn lower(launcher: &mut Launcher) {
    match &launcher.step.op {
        Op::Softmax => lower_softmax(launcher),
        Op::Reduce(reduction, axes) => lower_reduce(launcher, *reduction, axes),
        op => unreachable!("{op:?} is not a reduction"),
    }
}

fn lower_softmax(launcher: &mut Launcher) {
    let input = launcher.shape(0);
    let width = row_quads(input);
    let band = (launcher.binding_quads() / width).min(input.rows());
    for first in (0..input.rows()).step_by(band) {
        let rows = band.min(input.rows() - first);
        let part = first * width..(first + rows) * width;
        let [x, out] = [launcher.part(0, part.clone()), launcher.out(part)];
        let params = softmax::Params {
            rows: rows as u32,
            columns: input.last() as u32,
            row_quads: width as u32,
            x_base: x.base,
            out_base: out.base,
        };
        let workgroups = launcher.spread(rows);
        launcher.launch(workgroups, &params, Vec::new(), &[Some(&x), Some(&out)]);
    }
}

fn lower_reduce(launcher: &mut Launcher, reduction: Reduction, axes: &[usize]) {
    let [input, output] = [launcher.shape(0), &launcher.step.output];
    let last = input.rank() - 1;
    let strides = outer_strides(input);
    let side = |taken: bool| {
        let chosen = || (0..last).filter(|axis| axes.contains(axis) == taken);
        let dims: Vec<_> = chosen().map(|axis| input[axis]).collect();
        Axes::merged(&dims, &[chosen().map(|axis| strides[axis]).collect()])
    };
    let [kept, taken] = [side(false), side(true)];
    let takes_last = axes.contains(&last);
    let elements: usize = axes.iter().map(|&axis| input[axis]).product();
    let params = reduce::Params {
        kept: eight(&kept.dims),
        kept_strides: eight(&kept.strides[0]),
        taken: eight(&taken.dims),
        taken_strides: eight(&taken.strides[0]),
        count: quads(output) as u32,
        row_quads: row_quads(output) as u32,
        outer: taken.dims.iter().product::<usize>() as u32,
        x_quads: row_quads(input) as u32,
        columns: input.last() as u32,
        factor: match reduction {
            Reduction::Mean => 1.0 / elements as f32,
            _ => 1.0,
        },
        x_base: 0,
        out_base: 0,
    };
    let kind = match reduction {
        Reduction::Sum | Reduction::Mean => 0,
        Reduction::Max => 1,
        Reduction::Min => 2,
    };
    let constants = vec![
        ("KIND", f64::from(kind)),
        ("KEPT", kept.dims.len() as f64),
        ("TAKEN", taken.dims.len() as f64),
        ("LAST", flag(takes_last)),
    ];
    let [x, out] = [launcher.whole(0), launcher.out_whole()];
    let workgroups = launcher.spread(quads(output));
    launcher.launch(workgroups, &params, constants, &[Some(&x), Some(&out)]);
}
