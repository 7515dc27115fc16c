//! How far the pixels of two pictures are from each other.

use super::{
    Mask,
    pixels::{CHANNELS, assert_same_size},
};
use crate::picture::Picture;

/// The mean squared difference of two pictures, of the marked pixels only where there is a mask. 0 where none is marked.
///
/// # Panics
/// When the pictures, or picture and mask, differ in size.
pub fn mse(a: &Picture, b: &Picture, mask: Option<&Mask>) -> f64 {
    assert_same_size(a, b);
    let width = a.width_px();
    let pixels = a
        .rgb()
        .chunks_exact(CHANNELS)
        .zip(b.rgb().chunks_exact(CHANNELS));
    let (mut sum, mut count) = (0u64, 0usize);
    for (at, (a, b)) in pixels.enumerate() {
        if mask.is_none_or(|mask| mask.has(at / width, at % width)) {
            let squares = a
                .iter()
                .zip(b)
                .map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2));
            sum += squares.sum::<u64>();
            count += CHANNELS;
        }
    }
    if count == 0 {
        return 0.0;
    }
    sum as f64 / (count as f64 * 255.0 * 255.0)
}

/// The peak signal-to-noise ratio in decibels that belongs to a mean squared difference; infinite where there is none.
pub fn psnr(mse: f64) -> f64 {
    -10.0 * mse.log10()
}
