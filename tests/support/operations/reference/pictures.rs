//! Resampling and pooling, as PyTorch defines them.

use guidestar::tensor::{Interpolation, Pooling};

use super::super::Host;

/// A source index and its weight.
type Tap = (usize, f64);

pub fn resize(x: &Host, size: [usize; 2], interpolation: Interpolation, antialias: bool) -> Host {
    let [batch, h, w, channels] = x.dims();
    let taps = |from: usize, to: usize| -> Vec<Vec<Tap>> {
        (0..to)
            .map(|i| match interpolation {
                Interpolation::Nearest => vec![(i * from / to, 1.0)],
                _ if antialias => wide_taps(i, from, to, interpolation),
                Interpolation::Bilinear => linear_taps(i, from, to),
                Interpolation::Bicubic => cubic_taps(i, from, to),
            })
            .collect()
    };
    let [rows, columns] = [taps(h, size[0]), taps(w, size[1])];
    Host::build([batch, size[0], size[1], channels], |index| {
        let mut sum = 0.0;
        for (row, down) in &rows[index[1]] {
            for (column, across) in &columns[index[2]] {
                sum += down * across * x.at(&[index[0], *row, *column, index[3]]);
            }
        }
        sum
    })
}

/// Where the middle of an element of the result falls between elements of the source.
fn source(i: usize, from: usize, to: usize) -> f64 {
    (i as f64 + 0.5) * (from as f64 / to as f64) - 0.5
}

/// `area_pixel_compute_source_index` without `align_corners` never falls below 0.
fn linear_taps(i: usize, from: usize, to: usize) -> Vec<Tap> {
    let position = source(i, from, to).max(0.0);
    let first = position as usize;
    let second = (first + 1).min(from - 1);
    let part = position - first as f64;
    vec![(first, 1.0 - part), (second, part)]
}

/// Four taps around the position, repeated at the border.
fn cubic_taps(i: usize, from: usize, to: usize) -> Vec<Tap> {
    let position = source(i, from, to);
    let first = position.floor();
    (-1..=2)
        .map(|step| {
            let tap = first as isize + step;
            let weight = cubic((position - tap as f64).abs(), -0.75);
            (tap.clamp(0, from as isize - 1) as usize, weight)
        })
        .collect()
}

/// The cubic convolution kernel of Keys 1981 with coefficient `a`.
fn cubic(x: f64, a: f64) -> f64 {
    if x <= 1.0 {
        (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0
    } else if x < 2.0 {
        a * x.powi(3) - 5.0 * a * x.powi(2) + 8.0 * a * x - 4.0 * a
    } else {
        0.0
    }
}

/// The widened filter: its support grows with the ratio, and the weights inside the picture are made to sum to 1
/// (`_compute_weights_aa` in PyTorch's `UpSampleKernel.cpp`).
fn wide_taps(i: usize, from: usize, to: usize, interpolation: Interpolation) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    let radius = if interpolation == Interpolation::Bicubic {
        2.0
    } else {
        1.0
    };
    let stretch = scale.max(1.0);
    let support = radius * stretch;
    let centre = scale * (i as f64 + 0.5);
    let first = (centre - support + 0.5).max(0.0) as usize;
    let end = ((centre + support + 0.5) as usize).min(from);
    let taps: Vec<Tap> = (first..end)
        .map(|tap| {
            let distance = ((tap as f64 - centre + 0.5) / stretch).abs();
            let weight = if interpolation == Interpolation::Bicubic {
                cubic(distance, -0.5)
            } else {
                (1.0 - distance).max(0.0)
            };
            (tap, weight)
        })
        .collect();
    let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
    taps.into_iter()
        .map(|(tap, weight)| (tap, weight / sum))
        .collect()
}

pub fn pool(
    x: &Host,
    pooling: Pooling,
    kernel: [usize; 2],
    stride: [usize; 2],
    [top, bottom, left, right]: [usize; 4],
) -> Host {
    let [batch, h, w, channels] = x.dims();
    let tall = (h + top + bottom - kernel[0]) / stride[0] + 1;
    let wide = (w + left + right - kernel[1]) / stride[1] + 1;
    Host::build([batch, tall, wide, channels], |index| {
        let mut inside = Vec::new();
        for dy in 0..kernel[0] {
            for dx in 0..kernel[1] {
                let row = (index[1] * stride[0] + dy).wrapping_sub(top);
                let column = (index[2] * stride[1] + dx).wrapping_sub(left);
                if row < h && column < w {
                    inside.push(x.at(&[index[0], row, column, index[3]]));
                }
            }
        }
        match pooling {
            Pooling::Max => inside.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Pooling::Mean => inside.iter().sum::<f64>() / inside.len() as f64,
        }
    })
}
