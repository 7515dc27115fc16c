//! Contact sheets: several pictures on one.

use super::{Picture, digits};

/// Lays pictures out in a grid as square as it can be, each above its number (its seed).
///
/// # Panics
/// When there is no picture.
pub fn sheet(pictures: &[(u64, Picture)]) -> Picture {
    assert!(!pictures.is_empty(), "a contact sheet of nothing");
    let greatest = |px: fn(&Picture) -> usize| pictures.iter().map(|(_, p)| px(p)).max();
    let [cell_width, cell_height] =
        [Picture::width_px, Picture::height_px].map(|px| greatest(px).unwrap_or(1));
    // Labels grow with the pictures, so that they stay legible on a large sheet.
    let dot_px = (cell_width / 128).clamp(1, 4) * 2;
    let margin = 4 * dot_px;
    let line = digits::height_px(dot_px) + 2 * dot_px;
    let root = pictures.len().isqrt();
    let columns = root + usize::from(root * root < pictures.len());
    let rows = pictures.len().div_ceil(columns);
    let [across, down] = [cell_width + margin, cell_height + line + margin];
    let mut sheet = Picture::filled(columns * across + margin, rows * down + margin, [255; 3]);
    for (place, (number, picture)) in pictures.iter().enumerate() {
        let left = margin + place % columns * across;
        let top = margin + place / columns * down;
        sheet.paste(picture, left, top);
        let below = top + cell_height + dot_px;
        digits::write(&mut sheet, *number, left, below, dot_px);
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_is_on_the_sheet() {
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];
        let pictures = colours.map(|colour| (7, Picture::filled(64, 32, colour)));
        let sheet = sheet(&pictures);
        for colour in colours {
            let pixels = sheet.rgb().chunks(3).filter(|pixel| *pixel == colour);
            assert_eq!(pixels.count(), 64 * 32);
        }
    }
}
