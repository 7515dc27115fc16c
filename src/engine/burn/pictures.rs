//! Resampling and pooling of feature maps.

use burn::tensor::{
    Device, Tensor, module,
    ops::{AvgPoolOptions, MaxPoolOptions},
};

use super::{
    layout::indices,
    operand::{Flat, Operand, flatten, from_host},
};
use crate::engine::op::{Border, Interpolation, Pooling};

pub(super) fn resize(
    x: &Operand,
    [tall, wide]: [usize; 2],
    interpolation: Interpolation,
    antialias: bool,
    device: &Device,
) -> Flat {
    let [batch, h, w, channels] = x.dims();
    if interpolation == Interpolation::Nearest {
        let [rows, columns] = [(h, tall), (w, wide)]
            .map(|(from, to)| indices((0..to).map(|i| i * from / to), device));
        return flatten(x.exact::<4>().select(1, rows).select(2, columns));
    }
    // Separable: a matrix on the left of each picture, then on the left of each of its rows.
    let [down, across] = [(h, tall), (w, wide)].map(|(from, to)| {
        let weights = resampling(from, to, interpolation, antialias);
        from_host(weights, [1, to, from], device)
    });
    let x = down.matmul(x.view([batch, h, w * channels]));
    flatten(across.matmul(x.reshape([batch * tall, w, channels])))
}

/// The matrix `[to, from]` that resamples a line, with PyTorch's conventions: pixel centres at halves, and what
/// reaches past the border either repeats the edge element or, with antialias, is left out and made up for.
fn resampling(from: usize, to: usize, interpolation: Interpolation, antialias: bool) -> Vec<f32> {
    let ratio = from as f64 / to as f64;
    let widening = if antialias { ratio.max(1.0) } else { 1.0 };
    let (radius, cubic) = match interpolation {
        Interpolation::Bicubic if antialias => (2.0, -0.5),
        Interpolation::Bicubic => (2.0, -0.75),
        Interpolation::Bilinear | Interpolation::Nearest => (1.0, 0.0),
    };
    let kernel = |distance: f64| match interpolation {
        Interpolation::Bicubic => cubic_convolution(distance.abs(), cubic),
        Interpolation::Bilinear | Interpolation::Nearest => (1.0 - distance.abs()).max(0.0),
    };
    let mut weights = vec![0.0_f32; from * to];
    for (index, row) in weights.chunks_exact_mut(from).enumerate() {
        let centre = (index as f64 + 0.5) * ratio - 0.5;
        let first = (centre - radius * widening).floor() as isize;
        let last = (centre + radius * widening).ceil() as isize;
        let taps: Vec<(usize, f64)> = (first..=last)
            .filter(|tap| !antialias || (0..from as isize).contains(tap))
            .map(|tap| {
                let weight = kernel((tap as f64 - centre) / widening);
                (tap.clamp(0, from as isize - 1) as usize, weight)
            })
            .collect();
        let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
        for (tap, weight) in taps {
            row[tap] += (weight / sum) as f32;
        }
    }
    weights
}

/// Keys' cubic convolution kernel with coefficient `a`, at a distance of at least 0.
fn cubic_convolution(x: f64, a: f64) -> f64 {
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

pub(super) fn pool(
    x: &Operand,
    pooling: Pooling,
    kernel: [usize; 2],
    stride: [usize; 2],
    [top, bottom, left, right]: Border,
) -> Flat {
    let x: Tensor<4> = x.exact::<4>().permute([0, 3, 1, 2]);
    let border = [(top, bottom), (left, right)];
    let pooled = match pooling {
        Pooling::Max => {
            let options = MaxPoolOptions::new(kernel).with_stride(stride);
            module::max_pool2d(x, options.with_padding_pairs(border))
        }
        Pooling::Mean => {
            let options = AvgPoolOptions::new(kernel)
                .with_stride(stride)
                .with_count_include_pad(false);
            module::avg_pool2d(x, options.with_padding_pairs(border))
        }
    };
    flatten(pooled.permute([0, 2, 3, 1]))
}
