//! Convolutions.

use super::{
    after::{Chain, base, has_geglu},
    launch::{Launcher, flag},
    picture::{Band, Geometry, pair},
    shader::{conv as dense, conv_grouped as grouped, conv_tiled},
    tile::{self, THREADS},
};
use crate::engine::{
    op::{Conv, Op},
    wgsl::step::{Step, row_quads},
};

/// Whether a convolution takes what was fused into it.
pub fn supports(step: &Step) -> bool {
    let Op::Conv2d { conv, .. } = step.op else {
        return false;
    };
    let plain = !step.joined && !step.enlarged;
    let joins = !step.joined || step.operands[0].last().is_multiple_of(4);
    !has_geglu(step) && joins && (conv.groups == 1 || plain)
}

/// Lowers `Conv2d`.
pub fn lower(launcher: &mut Launcher) {
    let step = launcher.step;
    let Op::Conv2d { conv, bias } = step.op else {
        unreachable!("{:?} is not a convolution", step.op);
    };
    let work = Work::of(step, conv, bias);
    let inputs = if step.joined { vec![0, 1] } else { vec![0] };
    let lines = if step.enlarged { 2 } else { 1 };
    for band in work.geometry.bands(launcher, &inputs, lines) {
        if conv.groups == 1 {
            lower_dense(launcher, &work, &band);
        } else {
            lower_grouped(launcher, &work, &band);
        }
    }
}

/// A convolution, and where its operands stand.
struct Work {
    conv: Conv,
    geometry: Geometry,
    taps: [usize; 2],
    /// The operand that holds the weight.
    weight: usize,
    bias: Option<usize>,
}

impl Work {
    fn of(step: &Step, conv: Conv, bias: bool) -> Self {
        let weight = 1 + usize::from(step.joined);
        let kernel = &step.operands[weight];
        let taps = [kernel[0], kernel[1]];
        let scale = if step.enlarged { 2 } else { 1 };
        let extent = [step.operands[0][1] * scale, step.operands[0][2] * scale];
        let reach = [0, 1].map(|axis| conv.dilation[axis] * (taps[axis] - 1) + 1);
        let [top, bottom, left, right] = conv.pad;
        let pads = [top + bottom, left + right];
        // What follows may have reshaped the result, so its extent is worked out again.
        let out_extent =
            [0, 1].map(|axis| (extent[axis] + pads[axis] - reach[axis]) / conv.stride[axis] + 1);
        Self {
            conv,
            geometry: Geometry {
                extent,
                out_extent,
                pad_top: top,
                stride: conv.stride[0],
                reach: reach[0],
            },
            taps,
            weight,
            bias: bias.then_some(weight + 1),
        }
    }

    fn pad(&self) -> [u32; 2] {
        pair([self.conv.pad[0], self.conv.pad[2]])
    }
}

fn lower_dense(launcher: &mut Launcher, work: &Work, band: &Band) {
    let step = launcher.step;
    let width = row_quads(&step.output);
    let chain = Chain::of(step);
    let part = band.pixels.start * width..band.pixels.end * width;
    let x = launcher.part(0, band.inputs[0].clone());
    let second = step
        .joined
        .then(|| launcher.part(1, band.inputs[1].clone()));
    let w = launcher.whole(work.weight);
    let bias = work.bias.map(|operand| launcher.whole(operand));
    let added = chain.added(launcher, part.clone());
    let per_row = chain.per_row(launcher);
    let out = launcher.out(part);
    let channels = launcher.shape(work.weight)[2];
    let tile = tile::choose(launcher.limits, band.pixels.len());
    let tiles = [
        width.div_ceil(2 * THREADS),
        band.pixels.len().div_ceil(tile.rows),
    ];
    let params = dense::Params {
        rows: band.pixels.len() as u32,
        columns: step.output.last() as u32,
        row_quads: width as u32,
        w_row_quads: width as u32,
        x_quads: row_quads(launcher.shape(0)) as u32,
        second_quads: if step.joined {
            row_quads(launcher.shape(1)) as u32
        } else {
            0
        },
        channels: channels as u32,
        k_last: (work.taps[0] * work.taps[1] * channels - 1) as u32,
        extent: pair([launcher.shape(0)[1], launcher.shape(0)[2]]),
        out_extent: pair(work.geometry.out_extent),
        taps: pair(work.taps),
        stride: pair(work.conv.stride),
        pad: work.pad(),
        dilation: pair(work.conv.dilation),
        shift: u32::from(step.enlarged),
        tiles: pair(tiles),
        pair: THREADS as u32,
        first_row: band.pixels.start as u32,
        batch_rows: (work.geometry.out_extent[0] * work.geometry.out_extent[1]) as u32,
        x_base: x.origin(),
        second_base: second.as_ref().map_or(0, super::launch::Window::origin),
        w_base: w.base,
        bias_base: base(bias.as_ref()),
        added_base: base(added.as_ref()),
        per_row_base: base(per_row.as_ref()),
        out_base: out.base,
    };
    let mut constants = vec![
        ("RAGGED", flag(!channels.is_multiple_of(4))),
        ("JOINED", flag(step.joined)),
        ("BIAS", flag(bias.is_some())),
    ];
    constants.extend(chain.constants);
    let bindings = [
        Some(&x),
        second.as_ref(),
        Some(&w),
        bias.as_ref(),
        added.as_ref(),
        per_row.as_ref(),
        Some(&out),
    ];
    let workgroups = launcher.spread(tiles[0] * tiles[1]);
    let shader = if tile.tiled {
        &conv_tiled::SHADER
    } else {
        &dense::SHADER
    };
    launcher.launch_as(shader, workgroups, &params, constants, &bindings);
}

fn lower_grouped(launcher: &mut Launcher, work: &Work, band: &Band) {
    let step = launcher.step;
    let width = row_quads(&step.output);
    let chain = Chain::of(step);
    let part = band.pixels.start * width..band.pixels.end * width;
    let x = launcher.part(0, band.inputs[0].clone());
    let w = launcher.whole(work.weight);
    let bias = work.bias.map(|operand| launcher.whole(operand));
    let added = chain.added(launcher, part.clone());
    let per_row = chain.per_row(launcher);
    let out = launcher.out(part.clone());
    let group_in = launcher.shape(work.weight)[2];
    let group_out = step.output.last() / work.conv.groups;
    let params = grouped::Params {
        count: part.len() as u32,
        columns: step.output.last() as u32,
        row_quads: width as u32,
        x_quads: row_quads(launcher.shape(0)) as u32,
        group_in: group_in as u32,
        group_out: group_out as u32,
        extent: pair(work.geometry.extent),
        out_extent: pair(work.geometry.out_extent),
        taps: pair(work.taps),
        stride: pair(work.conv.stride),
        pad: work.pad(),
        dilation: pair(work.conv.dilation),
        first_row: band.pixels.start as u32,
        x_base: x.origin(),
        w_base: w.base,
        bias_base: base(bias.as_ref()),
        added_base: base(added.as_ref()),
        per_row_base: base(per_row.as_ref()),
        out_base: out.base,
    };
    let mut constants = vec![
        ("BIAS", flag(bias.is_some())),
        ("DEPTHWISE", flag(group_in == 1 && group_out == 1)),
    ];
    constants.extend(chain.constants);
    let bindings = [
        Some(&x),
        Some(&w),
        bias.as_ref(),
        added.as_ref(),
        per_row.as_ref(),
        Some(&out),
    ];
    launcher.each(part.len(), &params, constants, &bindings);
}
