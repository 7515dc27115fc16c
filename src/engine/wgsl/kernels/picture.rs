//! Windows that move over a picture: convolutions, pooling and resampling share their geometry.

use std::ops::Range;

use super::launch::Launcher;
use crate::engine::{
    Shape,
    wgsl::step::{quads, row_quads},
};

/// How a window moves.
#[derive(Clone, Copy)]
pub struct Geometry {
    /// Height and width of the input, as it is read.
    pub extent: [usize; 2],
    /// Height and width of the result.
    pub out_extent: [usize; 2],
    /// Rows of the input that lie above what result row 0 needs first, and how many result rows step over.
    pub pad_top: usize,
    /// Input rows from one result row's first to the next's.
    pub stride: usize,
    /// Input rows that a window reaches over.
    pub reach: usize,
}

/// A launch's share of the result: pixels counted through all batch rows, and the quads of input that they need.
pub struct Band {
    /// Pixels of the result.
    pub pixels: Range<usize>,
    /// Quads of each part of the input.
    pub inputs: Vec<Range<usize>>,
}

impl Geometry {
    /// Cuts the result so that each part, and what it needs of the `inputs`, fits in a binding. `lines` is how many
    /// lines of a picture as it is read one line in memory makes.
    pub fn bands(&self, launcher: &Launcher, inputs: &[usize], lines: usize) -> Vec<Band> {
        let output = &launcher.step.output;
        let batch = launcher.shape(0)[0];
        let [height, width] = self.out_extent;
        let shapes: Vec<&Shape> = inputs
            .iter()
            .map(|&operand| launcher.shape(operand))
            .collect();
        if launcher.fits(output) && shapes.iter().all(|shape| launcher.fits(shape)) {
            return vec![Band {
                pixels: 0..batch * height * width,
                inputs: shapes.iter().map(|shape| 0..quads(shape)).collect(),
            }];
        }
        let in_line = |shape: &Shape| shape[2] * row_quads(shape);
        let widest = shapes.iter().map(|shape| in_line(shape)).max().unwrap_or(1);
        let room = launcher.binding_quads() / widest.max(1) * lines;
        let by_input = room.saturating_sub(self.reach + lines) / self.stride;
        let by_output = launcher.binding_quads() / (width * row_quads(output));
        let band = by_input.min(by_output).clamp(1, height);
        let mut bands = Vec::new();
        for row in 0..batch {
            for first in (0..height).step_by(band) {
                let last = height.min(first + band) - 1;
                let top = (first * self.stride).saturating_sub(self.pad_top) / lines;
                let bottom = (last * self.stride + self.reach).saturating_sub(self.pad_top);
                let inputs = shapes.iter().map(|shape| {
                    let bottom = bottom.div_ceil(lines).clamp(top + 1, shape[1].max(top + 1));
                    let line = |line: usize| (row * shape[1] + line) * in_line(shape);
                    line(top)..line(bottom)
                });
                bands.push(Band {
                    pixels: (row * height + first) * width..(row * height + last + 1) * width,
                    inputs: inputs.collect(),
                });
            }
        }
        bands
    }
}

/// A pair of extents as a uniform block holds it.
pub fn pair(values: [usize; 2]) -> [u32; 2] {
    values.map(|value| value as u32)
}
