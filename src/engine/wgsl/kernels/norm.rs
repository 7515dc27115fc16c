//! Normalisations.

use super::{
    after::{Chain, base, has_geglu, own_operands},
    launch::{Launcher, Window, flag},
    shader::{group_apply, group_fold, group_stats, layer_norm},
};
use crate::engine::{
    op::Op,
    wgsl::step::{Step, row_quads},
};

/// Rows over which one thread takes a channel's statistics: enough threads for a GPU at 64x64, few enough partial
/// results that folding them costs nothing.
const RUN_ROWS: usize = 32;

/// Threads of a workgroup that shares sums, `shaders/shared/team.wgsl`.
const TEAM: usize = layer_norm::SHADER.workgroup[0] as usize;

/// Whether a group norm takes what was fused into it.
pub fn supports(step: &Step) -> bool {
    let joins = !step.joined || step.operands[0].last().is_multiple_of(4);
    joins && !step.enlarged && !has_geglu(step)
}

/// Lowers `GroupNorm` and `LayerNorm`.
pub fn lower(launcher: &mut Launcher) {
    match launcher.step.op {
        Op::GroupNorm { groups, .. } => lower_group(launcher, groups),
        Op::LayerNorm { .. } => lower_layer(launcher),
        ref op => unreachable!("{op:?} is not a norm"),
    }
}

/// What the three launches of a group norm have in common.
struct Group {
    batch: usize,
    /// Rows of a batch row.
    rows: usize,
    runs: usize,
    /// Quads of a row: of both operands, and of each.
    width: usize,
    widths: [usize; 2],
}

impl Group {
    /// The parts of the input that rows, counted through all batch rows, take.
    fn inputs(&self, launcher: &Launcher, rows: std::ops::Range<usize>) -> [Option<Window>; 2] {
        let part = |operand: usize| {
            let width = self.widths[operand];
            let part = rows.start * width..rows.end * width;
            (width > 0).then(|| launcher.part(operand, part))
        };
        [part(0), part(1)]
    }
}

fn lower_group(launcher: &mut Launcher, groups: usize) {
    let step = launcher.step;
    let input = launcher.shape(0);
    let first = row_quads(input);
    let second = if step.joined {
        row_quads(launcher.shape(1))
    } else {
        0
    };
    let rows = input.rows() / input[0];
    let group = Group {
        batch: input[0],
        rows,
        runs: rows.div_ceil(RUN_ROWS),
        width: first + second,
        widths: [first, second],
    };
    let channels = step.operands[own_operands(step) - 2].last() / groups;
    let stats = launcher.scratch(8 * group.batch * group.runs * group.width);
    let folded = launcher.scratch(8 * group.batch * group.width);
    lower_stats(launcher, &group, &stats);

    let [gamma, beta] = [2, 1].map(|back| launcher.whole(own_operands(step) - back));
    let count = group.batch * groups;
    let params = group_fold::Params {
        groups: groups as u32,
        channels: channels as u32,
        count: count as u32,
        rows: rows as u32,
        run_rows: RUN_ROWS as u32,
        runs: group.runs as u32,
        row_quads: group.width as u32,
        gamma_base: gamma.base,
        beta_base: beta.base,
    };
    let bindings = [Some(&stats), Some(&gamma), Some(&beta), Some(&folded)];
    let workgroups = launcher.spread(count);
    launcher.launch(workgroups, &params, Vec::new(), &bindings);
    lower_apply(launcher, &group, &folded);
}

fn lower_stats(launcher: &mut Launcher, group: &Group, stats: &Window) {
    let most = launcher.binding_quads() / group.widths[0].max(group.widths[1]);
    let all = group.batch * group.runs;
    let band = if group.batch * group.rows <= most {
        all
    } else {
        (most / RUN_ROWS).min(group.runs)
    };
    let mut first = 0;
    while first < all {
        // A band of runs stays within a batch row, unless one launch takes all.
        let end = if band == all {
            all
        } else {
            (first + band).min((first / group.runs + 1) * group.runs)
        };
        let row = |run: usize| {
            run / group.runs * group.rows + (run % group.runs * RUN_ROWS).min(group.rows)
        };
        let end_row = if end.is_multiple_of(group.runs) {
            end / group.runs * group.rows
        } else {
            row(end)
        };
        let [x, second] = group.inputs(launcher, row(first)..end_row);
        let params = group_stats::Params {
            rows: group.rows as u32,
            run_rows: RUN_ROWS as u32,
            runs: group.runs as u32,
            row_quads: group.width as u32,
            x_quads: group.widths[0] as u32,
            second_quads: group.widths[1] as u32,
            count: ((end - first) * group.width) as u32,
            first: (first * group.width) as u32,
            x_base: x.as_ref().map_or(0, Window::origin),
            second_base: second.as_ref().map_or(0, Window::origin),
        };
        let constants = vec![("JOINED", flag(second.is_some()))];
        let bindings = [x.as_ref(), second.as_ref(), Some(stats)];
        launcher.each((end - first) * group.width, &params, constants, &bindings);
        first = end;
    }
}

fn lower_apply(launcher: &mut Launcher, group: &Group, folded: &Window) {
    let chain = Chain::of(launcher.step);
    let per_row = chain.per_row(launcher);
    let all = group.batch * group.rows;
    let band = (launcher.binding_quads() / group.width).min(all);
    for first in (0..all).step_by(band) {
        let end = all.min(first + band);
        let [x, second] = group.inputs(launcher, first..end);
        let part = first * group.width..end * group.width;
        let added = chain.added(launcher, part.clone());
        let out = launcher.out(part.clone());
        let params = group_apply::Params {
            count: part.len() as u32,
            first_row: first as u32,
            batch_rows: group.rows as u32,
            columns: launcher.step.output.last() as u32,
            row_quads: group.width as u32,
            x_quads: group.widths[0] as u32,
            second_quads: group.widths[1] as u32,
            x_base: base(x.as_ref()),
            second_base: base(second.as_ref()),
            added_base: base(added.as_ref()),
            per_row_base: base(per_row.as_ref()),
            out_base: out.base,
        };
        let mut constants = vec![("JOINED", flag(second.is_some()))];
        constants.extend(chain.constants.iter().copied());
        let bindings = [
            x.as_ref(),
            second.as_ref(),
            Some(folded),
            added.as_ref(),
            per_row.as_ref(),
            Some(&out),
        ];
        launcher.each(part.len(), &params, constants, &bindings);
    }
}

fn lower_layer(launcher: &mut Launcher) {
    let chain = Chain::of(launcher.step);
    let input = launcher.shape(0);
    let width = row_quads(input);
    let [gamma, beta] = [1, 2].map(|operand| launcher.whole(operand));
    let per_row = chain.per_row(launcher);
    let band = (launcher.binding_quads() / width).min(input.rows());
    for first in (0..input.rows()).step_by(band) {
        let rows = band.min(input.rows() - first);
        let part = first * width..(first + rows) * width;
        let x = launcher.part(0, part.clone());
        let added = chain.added(launcher, part.clone());
        let out = launcher.out(part);
        let params = layer_norm::Params {
            rows: rows as u32,
            first_row: first as u32,
            batch_rows: (input.rows() / input[0]) as u32,
            columns: input.last() as u32,
            row_quads: width as u32,
            x_base: x.base,
            gamma_base: gamma.base,
            beta_base: beta.base,
            added_base: base(added.as_ref()),
            per_row_base: base(per_row.as_ref()),
            out_base: out.base,
        };
        let bindings = [
            Some(&x),
            Some(&gamma),
            Some(&beta),
            added.as_ref(),
            per_row.as_ref(),
            Some(&out),
        ];
        // On lavapipe a barrier costs about as much as a row of 32 quads: 256 rows of 128 channels took 7 ms together.
        let alone = launcher.limits.software;
        let workgroups = launcher.spread(if alone { rows.div_ceil(TEAM) } else { rows });
        let mut constants = vec![("ALONE", flag(alone))];
        constants.extend(chain.constants.iter().copied());
        launcher.launch(workgroups, &params, constants, &bindings);
    }
}
