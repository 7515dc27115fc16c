//! How much fine detail there is.

use super::pixels::planes;
use crate::picture::Picture;

/// Shares of red, green and blue in the light of a pixel (ITU-R BT.601).
const LIGHT: [f64; 3] = [0.299, 0.587, 0.114];

/// The variance of the Laplacian of a picture's light, on a scale of 0 to 255
/// (Pech-Pacheco et al. 2000, <https://doi.org/10.1109/ICPR.2000.903548>): the higher, the more edges are sharp.
///
/// It rises with noise and with what is in the picture too, so that only pictures of the same thing are compared by it.
///
/// # Panics
/// When the picture has no pixels.
pub fn sharpness(picture: &Picture) -> f64 {
    let [height, width] = [picture.height_px(), picture.width_px()];
    let [red, green, blue] = planes(picture);
    let mut light = red.iter().zip(&green).zip(&blue);
    let light: Vec<f64> = light
        .by_ref()
        .map(|((r, g), b)| 255.0 * (LIGHT[0] * r + LIGHT[1] * g + LIGHT[2] * b))
        .collect();
    // Beyond its edge the picture is mirrored, without the outermost pixel.
    let at = |row: usize, column: usize| light[row * width + column];
    let mut laplacian = Vec::with_capacity(light.len());
    for row in 0..height {
        for column in 0..width {
            let [up, down] = neighbours(row, height);
            let [left, right] = neighbours(column, width);
            let around = at(up, column) + at(down, column) + at(row, left) + at(row, right);
            laplacian.push(around - 4.0 * at(row, column));
        }
    }
    let mean = laplacian.iter().sum::<f64>() / laplacian.len() as f64;
    let squares = laplacian.iter().map(|value| (value - mean).powi(2));
    squares.sum::<f64>() / laplacian.len() as f64
}

/// The places before and after one, mirrored at the ends.
fn neighbours(at: usize, length: usize) -> [usize; 2] {
    let last = length - 1;
    let before = if at == 0 { 1.min(last) } else { at - 1 };
    let after = if at == last {
        last.saturating_sub(1)
    } else {
        at + 1
    };
    [before, after]
}
