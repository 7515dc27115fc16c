//! Pictures side by side.

use super::Picture;

/// Space between two pictures, in shares of their height.
const GAP: usize = 32;

/// Lays pictures out in a row, in their order.
///
/// # Panics
/// When there is no picture.
pub fn row(pictures: &[Picture]) -> Picture {
    let heights = pictures.iter().map(Picture::height_px);
    let height = heights.max().expect("a row of at least one picture");
    let gap = (height / GAP).max(2);
    let widths = pictures.iter().map(Picture::width_px);
    let width = widths.sum::<usize>() + gap * (pictures.len() - 1);
    let mut row = Picture::filled(width, height, [255; 3]);
    let mut left = 0;
    for picture in pictures {
        row.paste(picture, left, 0);
        left += picture.width_px() + gap;
    }
    row
}
