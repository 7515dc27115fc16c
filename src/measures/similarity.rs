//! Structural similarity: whether light, contrast and pattern agree around each pixel.

use super::{
    Mask,
    pixels::{assert_same_size, planes},
};
use crate::picture::Picture;

/// Width and height of the window around each pixel; smaller pictures have no structural similarity.
pub const SSIM_WINDOW_PX: usize = 11;
/// Deviation of the window's weights.
const SIGMA: f64 = 1.5;
/// Squares of the shares of the range that keep quotients from dividing by 0.
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// The structural similarity of two pictures: 1 where they are the same
/// (Wang et al. 2004, <https://doi.org/10.1109/TIP.2003.819861>).
///
/// The mean over the channels and over all pixels whose window is inside the pictures, of the marked ones only where there is a
/// mask. `None` where there is no such pixel.
///
/// # Panics
/// When the pictures, or picture and mask, differ in size.
pub fn ssim(a: &Picture, b: &Picture, mask: Option<&Mask>) -> Option<f64> {
    assert_same_size(a, b);
    let size = [a.height_px(), a.width_px()];
    if size.iter().any(|&side| side < SSIM_WINDOW_PX) {
        return None;
    }
    let inner = size.map(|side| side + 1 - SSIM_WINDOW_PX);
    let border = SSIM_WINDOW_PX / 2;
    let counts = |at: usize| {
        let [row, column] = [at / inner[1] + border, at % inner[1] + border];
        mask.is_none_or(|mask| mask.has(row, column))
    };
    let (mut sum, mut count) = (0.0, 0usize);
    for (a, b) in planes(a).iter().zip(&planes(b)) {
        for (at, value) in map(a, b, size).into_iter().enumerate() {
            if counts(at) {
                sum += value;
                count += 1;
            }
        }
    }
    (count > 0).then(|| sum / count as f64)
}

/// The similarity around each pixel whose window is inside.
fn map(a: &[f64], b: &[f64], size: [usize; 2]) -> Vec<f64> {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<_>>();
    let [mean_a, mean_b, aa, bb, ab] = [
        windowed(a, size),
        windowed(b, size),
        windowed(&product(a, a), size),
        windowed(&product(b, b), size),
        windowed(&product(a, b), size),
    ];
    (0..mean_a.len())
        .map(|at| {
            let [a, b] = [mean_a[at], mean_b[at]];
            let variances = (aa[at] - a * a) + (bb[at] - b * b);
            let covariance = ab[at] - a * b;
            let light = (2.0 * a * b + C1) / (a * a + b * b + C1);
            light * (2.0 * covariance + C2) / (variances + C2)
        })
        .collect()
}

/// The weighted mean of each window that is inside, along rows and then columns.
fn windowed(plane: &[f64], [height, width]: [usize; 2]) -> Vec<f64> {
    let weights = weights();
    let rows: Vec<Vec<f64>> = plane
        .chunks_exact(width)
        .map(|row| {
            row.windows(SSIM_WINDOW_PX)
                .map(|window| dot(window, &weights))
                .collect()
        })
        .collect();
    let inner = width + 1 - SSIM_WINDOW_PX;
    let mut means = Vec::with_capacity(inner * (height + 1 - SSIM_WINDOW_PX));
    for window in rows.windows(SSIM_WINDOW_PX) {
        means.extend((0..inner).map(|column| {
            let terms = window.iter().zip(&weights);
            terms.map(|(row, weight)| row[column] * weight).sum::<f64>()
        }));
    }
    means
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn weights() -> [f64; SSIM_WINDOW_PX] {
    let middle = (SSIM_WINDOW_PX / 2) as f64;
    let bell = std::array::from_fn(|at| (-0.5 * ((at as f64 - middle) / SIGMA).powi(2)).exp());
    let sum: f64 = bell.iter().sum();
    bell.map(|weight: f64| weight / sum)
}
