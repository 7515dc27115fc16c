//! Resampling, pooling, and rows of a table.

use super::{
    launch::{Launcher, Window, flag},
    picture::{Geometry, pair},
    shader::{gather, pool, resize},
};
use crate::engine::{
    op::{Border, Interpolation, Op, Pooling},
    wgsl::step::{quads, row_quads},
};

/// Lowers `Resize`, `Pool`, `Gather`.
pub fn lower(launcher: &mut Launcher) {
    match launcher.step.op {
        Op::Resize {
            size,
            interpolation,
            antialias,
        } => lower_resize(launcher, size, interpolation, antialias),
        Op::Pool {
            pooling,
            kernel,
            stride,
            pad,
        } => lower_pool(launcher, pooling, kernel, stride, pad),
        Op::Gather(_) => lower_gather(launcher),
        ref op => unreachable!("{op:?} does not sample"),
    }
}

fn lower_resize(
    launcher: &mut Launcher,
    size: [usize; 2],
    interpolation: Interpolation,
    antialias: bool,
) {
    let input = launcher.shape(0);
    let width = row_quads(input);
    let kind = match interpolation {
        Interpolation::Nearest => 0,
        Interpolation::Bilinear => 1,
        Interpolation::Bicubic => 2,
    };
    // Band by band only where rows of the result and of the input keep step: enlarging by a whole number, which is
    // what a decoder does to its largest pictures. A band then reads a few rows more on each side.
    let factor = size[0].div_ceil(input[1]);
    let small = launcher.fits(input) && launcher.fits(&launcher.step.output);
    assert!(
        small || size[0].is_multiple_of(input[1]),
        "{input:?} is too large to be resized to {size:?}"
    );
    let geometry = Geometry {
        extent: [input[1] * factor, input[2]],
        out_extent: size,
        pad_top: 3 * factor,
        stride: 1,
        reach: 6 * factor,
    };
    for band in geometry.bands(launcher, &[0], factor) {
        let part = band.pixels.start * width..band.pixels.end * width;
        let x = launcher.part(0, band.inputs[0].clone());
        let out = launcher.out(part.clone());
        let params = resize::Params {
            count: part.len() as u32,
            first_row: band.pixels.start as u32,
            row_quads: width as u32,
            extent: pair([input[1], input[2]]),
            out_extent: pair(size),
            x_base: x.origin(),
            out_base: out.base,
        };
        let antialias = antialias && interpolation != Interpolation::Nearest;
        let constants = vec![("KIND", f64::from(kind)), ("ANTIALIAS", flag(antialias))];
        launcher.each(part.len(), &params, constants, &[Some(&x), Some(&out)]);
    }
}

fn lower_pool(
    launcher: &mut Launcher,
    pooling: Pooling,
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: Border,
) {
    let [input, output] = [launcher.shape(0), &launcher.step.output];
    let width = row_quads(output);
    let geometry = Geometry {
        extent: [input[1], input[2]],
        out_extent: [output[1], output[2]],
        pad_top: pad[0],
        stride: stride[0],
        reach: kernel[0],
    };
    for band in geometry.bands(launcher, &[0], 1) {
        let part = band.pixels.start * width..band.pixels.end * width;
        let x = launcher.part(0, band.inputs[0].clone());
        let out = launcher.out(part.clone());
        let params = pool::Params {
            count: part.len() as u32,
            first_row: band.pixels.start as u32,
            row_quads: width as u32,
            extent: pair(geometry.extent),
            out_extent: pair(geometry.out_extent),
            taps: pair(kernel),
            stride: pair(stride),
            pad: pair([pad[0], pad[2]]),
            x_base: x.origin(),
            out_base: out.base,
        };
        let constants = vec![("MEAN", flag(pooling == Pooling::Mean))];
        launcher.each(part.len(), &params, constants, &[Some(&x), Some(&out)]);
    }
}

/// One launch for each part of the table that fits in a binding: a vocabulary of 49,408 rows of 768 in f32 is more
/// than the 128 MiB every adapter has.
fn lower_gather(launcher: &mut Launcher) {
    let table = launcher.shape(0);
    let width = row_quads(table);
    let numbers = Window::rows();
    let out = launcher.out_whole();
    let most = if launcher.fits(table) {
        table[0]
    } else {
        launcher.binding_quads() / width
    };
    for first in (0..table[0]).step_by(most) {
        let end = table[0].min(first + most);
        let rows = launcher.part(0, first * width..end * width);
        let params = gather::Params {
            count: quads(&launcher.step.output) as u32,
            row_quads: width as u32,
            first: first as u32,
            end: end as u32,
            table_base: rows.base,
            out_base: out.base,
        };
        let bindings = [Some(&rows), Some(&numbers), Some(&out)];
        launcher.each(params.count as usize, &params, Vec::new(), &bindings);
    }
}
