//! Operations that move elements without changing them.

use super::{
    axes::{Axes, eight, outer_strides},
    launch::Launcher,
    shader::{copy, reshape},
};
use crate::engine::{
    Shape,
    op::{Op, PadMode},
    wgsl::step::{quads, row_quads},
};

/// Lowers `Reshape`, `Permute`, `Slice`, `Concat`, `Pad`, `Expand`.
pub fn lower(launcher: &mut Launcher) {
    let step = launcher.step;
    let input = launcher.shape(0);
    let rank = input.rank();
    let region = Region::whole(&step.output);
    match &step.op {
        Op::Reshape(_) => lower_reshape(launcher),
        Op::Permute(order) => {
            let sources = order.iter().map(|&axis| Source::plain(input, axis));
            region.copy(launcher, 0, &sources.collect::<Vec<_>>(), 0);
        }
        Op::Slice { starts, steps, .. } => {
            let sources = (0..rank).map(|axis| Source {
                start: starts[axis] as i64,
                step: steps[axis],
                ..Source::plain(input, axis)
            });
            region.copy(launcher, 0, &sources.collect::<Vec<_>>(), 0);
        }
        Op::Expand(_) => {
            let sources = (0..rank).map(|axis| {
                let plain = Source::plain(input, axis);
                let step = usize::from(input[axis] == step.output[axis]);
                Source { step, ..plain }
            });
            region.copy(launcher, 0, &sources.collect::<Vec<_>>(), 0);
        }
        Op::Pad { before, mode, .. } => {
            let sources = (0..rank).map(|axis| Source {
                start: -(before[axis] as i64),
                ..Source::plain(input, axis)
            });
            let mode = match mode {
                PadMode::Zero => 1,
                PadMode::Reflect => 2,
                PadMode::Edge => 3,
            };
            region.copy(launcher, 0, &sources.collect::<Vec<_>>(), mode);
        }
        Op::Concat(axis) => {
            let mut start = 0;
            for operand in 0..step.operands.len() {
                let input = launcher.shape(operand);
                let mut region = Region::whole(&step.output);
                region.starts[*axis] = start;
                region.dims[*axis] = input[*axis];
                let sources = (0..rank).map(|axis| Source::plain(input, axis));
                region.copy(launcher, operand, &sources.collect::<Vec<_>>(), 0);
                start += input[*axis];
            }
        }
        op => unreachable!("{op:?} does not only move elements"),
    }
}

fn lower_reshape(launcher: &mut Launcher) {
    let [input, output] = [launcher.shape(0), &launcher.step.output];
    let same_rows = input.last() == output.last();
    if same_rows || (input.last().is_multiple_of(4) && output.last().is_multiple_of(4)) {
        let flat = Shape::from([quads(output), 4]);
        let sources = [0, 1].map(|axis| Source::plain(&flat, axis));
        Region::whole(&flat).copy(launcher, 0, &sources, 0);
        return;
    }
    let params = reshape::Params {
        count: quads(output) as u32,
        columns: output.last() as u32,
        row_quads: row_quads(output) as u32,
        x_columns: input.last() as u32,
        x_row_quads: row_quads(input) as u32,
    };
    let [x, out] = [launcher.whole(0), launcher.out_whole()];
    launcher.each(quads(output), &params, Vec::new(), &[Some(&x), Some(&out)]);
}

/// Where an axis of the result comes from.
struct Source {
    /// Distance of neighbours in memory, in elements, padding counted.
    axis_stride: usize,
    /// The index that the region's first comes from.
    start: i64,
    /// Distance of the indices taken.
    step: usize,
    /// How many indices there are.
    extent: usize,
}

impl Source {
    /// Distance in memory of the indices taken, in elements.
    fn stride(&self) -> usize {
        self.axis_stride * self.step
    }

    fn plain(input: &Shape, axis: usize) -> Self {
        let strides = outer_strides(input);
        Self {
            axis_stride: strides.get(axis).map_or(1, |stride| 4 * stride),
            start: 0,
            step: 1,
            extent: input[axis],
        }
    }
}

/// A box of the output.
struct Region {
    starts: Vec<usize>,
    dims: Vec<usize>,
    /// Quads between neighbours along the output's outer axes.
    out_strides: Vec<usize>,
}

impl Region {
    fn whole(output: &Shape) -> Self {
        Self {
            starts: vec![0; output.rank()],
            dims: output.to_vec(),
            out_strides: outer_strides(output),
        }
    }

    /// Adds the launches that fill the region from an operand.
    fn copy(&self, launcher: &mut Launcher, operand: usize, sources: &[Source], mode: usize) {
        let outer = self.dims.len() - 1;
        let last = &sources[outer];
        let from = self.starts[outer];
        let padded = last.start < 0 || last.extent < self.dims[outer];
        let aligned = from.is_multiple_of(4) && last.start % 4 == 0 && last.stride() == 1;
        let lanes = !aligned || (mode != 0 && padded);
        let unit = if lanes { 1 } else { 4 };
        let strides = sources[..outer].iter().map(|source| source.stride() / unit);
        let strides = [strides.collect(), self.out_strides.clone()];
        let axes = if mode == 0 {
            Axes::merged(&self.dims[..outer], &strides)
        } else {
            // Each axis has a border of its own.
            Axes {
                dims: self.dims[..outer].to_vec(),
                strides: strides.to_vec(),
            }
        };
        let row_quads = (from + self.dims[outer]).div_ceil(4) - from / 4;
        let walk = Walk {
            x_stride: axes.strides[0].first().map_or(0, |stride| stride * unit),
            x_start: x_start(sources, mode),
            x_reach: axes.reach(0) * unit + (self.dims[outer] - 1) * last.stride() + 1,
            out_stride: axes.strides[1].first().copied().unwrap_or(0),
            out_start: self.out_start(),
            out_reach: axes.reach(1) + row_quads,
        };
        let inner: usize = axes.dims.iter().skip(1).product();
        let signed = |of: fn(&Source) -> i64| eight_signed(sources[..outer].iter().map(of));
        let outermost = axes.dims.first().copied().unwrap_or(1);
        let band = if mode == 0 {
            walk.band(launcher, operand, outermost)
        } else {
            outermost
        };
        for first in (0..outermost).step_by(band) {
            let taken = band.min(outermost - first);
            let mut dims = axes.dims.clone();
            if let Some(outermost) = dims.first_mut() {
                *outermost = taken;
            }
            let x_from = walk.x_start + first * walk.x_stride;
            let x = if mode == 0 {
                let x_to = x_from + (taken - 1) * walk.x_stride + walk.x_reach;
                launcher.part(operand, x_from / 4..x_to.div_ceil(4))
            } else {
                launcher.whole(operand)
            };
            let out_from = walk.out_start + first * walk.out_stride;
            let out =
                launcher.out(out_from..out_from + (taken - 1) * walk.out_stride + walk.out_reach);
            let count = taken * inner * row_quads;
            let params = copy::Params {
                dims: eight(&dims),
                x_strides: eight(&axes.strides[0]),
                out_strides: eight(&axes.strides[1]),
                starts: signed(|source| source.start),
                extents: signed(|source| source.extent as i64),
                last_start: last.start as i32,
                last_extent: last.extent as i32,
                last_stride: last.stride() as u32,
                count: count as u32,
                row_quads: row_quads as u32,
                columns_from: (from % 4) as u32,
                columns: (from % 4 + self.dims[outer]) as u32,
                x_base: if lanes {
                    4 * x.base + (x_from % 4) as u32
                } else {
                    x.base
                },
                out_base: out.base,
            };
            let constants = vec![
                ("RANK", axes.dims.len() as f64),
                ("MODE", mode as f64),
                ("LANES", f64::from(u8::from(lanes))),
            ];
            launcher.each(count, &params, constants, &[Some(&x), Some(&out)]);
        }
    }

    /// The quad of the output where the region begins.
    fn out_start(&self) -> usize {
        let outer = self.starts.iter().zip(&self.out_strides);
        let outer: usize = outer.map(|(start, stride)| start * stride).sum();
        outer + self.starts[self.starts.len() - 1] / 4
    }
}

/// The element that the region's first comes from; with a border the kernel finds it itself.
fn x_start(sources: &[Source], mode: usize) -> usize {
    let starts = sources
        .iter()
        .map(|source| source.start as usize * source.axis_stride);
    if mode == 0 { starts.sum() } else { 0 }
}

/// How a region moves through both tensors: x in elements, the output in quads.
struct Walk {
    /// Distance of neighbours along the outermost axis.
    x_stride: usize,
    x_start: usize,
    /// What one index of the outermost axis spans.
    x_reach: usize,
    out_stride: usize,
    out_start: usize,
    out_reach: usize,
}

impl Walk {
    /// Indices of the outermost axis for one launch, so that both tensors' parts fit in a binding.
    fn band(&self, launcher: &Launcher, operand: usize, outermost: usize) -> usize {
        if launcher.fits(launcher.shape(operand)) && launcher.fits(&launcher.step.output) {
            return outermost;
        }
        let most = launcher.binding_quads();
        let x_room = (4 * most).saturating_sub(self.x_reach) / self.x_stride.max(1);
        let out_room = most.saturating_sub(self.out_reach) / self.out_stride.max(1);
        x_room.min(out_room).clamp(1, outermost)
    }
}

/// Eight signed extents as a uniform block holds them.
fn eight_signed(values: impl Iterator<Item = i64>) -> [[i32; 4]; 2] {
    let values: Vec<_> = values.collect();
    let at = |i: usize| values.get(i).map_or(0, |&value| value as i32);
    [0, 4].map(|row| [0, 1, 2, 3].map(|lane| at(row + lane)))
}
