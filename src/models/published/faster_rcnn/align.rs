//! Boxes cut out of feature maps, each brought to the same few cells (He et al. 2017, <https://arxiv.org/abs/1703.06870>, section 3).

use crate::tensor::Tensor;

/// Cells along each side of a box.
pub const CELLS: usize = 7;
/// Points along each side of a cell, of which the mean is taken.
const POINTS: usize = 2;
/// Boxes that are cut together, so that a lazy engine meets few shapes.
pub const TOGETHER: usize = 32;

/// Cuts boxes out of a map that is `stride` times smaller than the picture that they are of.
///
/// A point between four places of the map is their mean by distance, so a cell is a row of weights along each axis. Both enter as
/// matrices: where boxes are changes no shape, and they are constants of a gradient.
///
/// # Shapes
/// - `map`: `[1, h, w, C]`
/// - `boxes`: left, top, right and bottom in the picture's pixels, at most [`TOGETHER`]; for those that are missing zeros come back
/// - returns `[TOGETHER, CELLS, CELLS, C]`
pub fn cut(map: &Tensor, boxes: &[[f32; 4]], stride: f32) -> Tensor {
    let [_, h, w, channels] = map.dims();
    let mut down = Vec::with_capacity(TOGETHER * CELLS * h);
    let mut across = Vec::with_capacity(TOGETHER * CELLS * CELLS * w);
    for [left, top, right, bottom] in boxes {
        down.extend(shares(top / stride, bottom / stride, h));
        let columns = shares(left / stride, right / stride, w);
        for _ in 0..CELLS {
            across.extend_from_slice(&columns);
        }
    }
    down.resize(TOGETHER * CELLS * h, 0.0);
    across.resize(TOGETHER * CELLS * CELLS * w, 0.0);
    let device = map.device();
    let down = device.tensor([TOGETHER * CELLS, h], down);
    let across = device.tensor([TOGETHER, CELLS, CELLS, w], across);
    let rows = down.matmul(&map.reshape([h, w * channels]), None);
    let rows = rows.reshape([TOGETHER, CELLS, w, channels]);
    across.matmul(&rows, None)
}

/// How much each of `extent` places counts in each cell between two ends, `[CELLS, extent]`.
fn shares(start: f32, end: f32, extent: usize) -> Vec<f32> {
    let cell = (end - start).max(1.0) / CELLS as f32;
    let mut shares = vec![0.0; CELLS * extent];
    let last = extent - 1;
    for (at, row) in shares.chunks_mut(extent).enumerate() {
        for point in 0..POINTS {
            let along = (point as f32 + 0.5) * cell / POINTS as f32;
            let place = start + at as f32 * cell + along;
            // Farther out there is nothing.
            if place < -1.0 || place > extent as f32 {
                continue;
            }
            let place = place.max(0.0);
            let low = place as usize;
            let each = 1.0 / POINTS as f32;
            if low >= last {
                row[last] += each;
            } else {
                let rest = place - low as f32;
                row[low] += each * (1.0 - rest);
                row[low + 1] += each * rest;
            }
        }
    }
    shares
}
