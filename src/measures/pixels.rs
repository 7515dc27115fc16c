//! Pictures as numbers.

use crate::picture::Picture;

/// Channels of a picture.
pub const CHANNELS: usize = 3;

/// The channels of a picture one after the other, each row by row, between 0 and 1.
pub fn planes(picture: &Picture) -> [Vec<f64>; CHANNELS] {
    [0, 1, 2].map(|channel| {
        let pixels = picture.rgb().chunks_exact(CHANNELS);
        pixels
            .map(|pixel| f64::from(pixel[channel]) / 255.0)
            .collect()
    })
}

/// Refuses to compare pictures that differ in size.
///
/// # Panics
/// When they do.
pub fn assert_same_size(a: &Picture, b: &Picture) {
    let size = |picture: &Picture| (picture.width_px(), picture.height_px());
    assert_eq!(size(a), size(b), "only pictures of one size are compared");
}
