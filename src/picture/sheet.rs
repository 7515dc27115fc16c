//! Contact sheets and comparisons: several pictures on one.

use super::{Picture, letters};

/// Lays pictures out in a grid as square as it can be, each above its number (its seed).
///
/// # Panics
/// When there is no picture.
pub fn sheet(pictures: &[(u64, Picture)]) -> Picture {
    let root = pictures.len().isqrt();
    let columns = root + usize::from(root * root < pictures.len());
    let labelled = pictures
        .iter()
        .map(|(number, picture)| (number.to_string(), picture));
    grid(&labelled.collect::<Vec<_>>(), columns)
}

/// Lays pictures side by side, each above its label, at most `columns` in a row.
///
/// # Panics
/// When there is no picture, or no column.
pub fn strip(pictures: &[(String, Picture)], columns: usize) -> Picture {
    let labelled = pictures
        .iter()
        .map(|(label, picture)| (label.clone(), picture));
    grid(&labelled.collect::<Vec<_>>(), columns.min(pictures.len()))
}

fn grid(pictures: &[(String, &Picture)], columns: usize) -> Picture {
    assert!(!pictures.is_empty(), "a contact sheet of nothing");
    let greatest = |px: fn(&Picture) -> usize| pictures.iter().map(|(_, p)| px(p)).max();
    let [cell_width, cell_height] =
        [Picture::width_px, Picture::height_px].map(|px| greatest(px).unwrap_or(1));
    // Labels grow with the pictures, so that they stay legible on a large sheet, but none is wider than a picture: what does
    // not fit in one line is broken between words.
    let longest = pictures
        .iter()
        .map(|(label, _)| letters::width_px(label, 1));
    let fitting = cell_width / longest.max().unwrap_or(1).max(1);
    let unit = (cell_width / 128).clamp(1, 4);
    let dot_px = fitting.clamp(unit, 2 * unit);
    let margin = 8 * unit;
    let gap = 4 * unit;
    let labels: Vec<Vec<String>> = pictures
        .iter()
        .map(|(label, _)| letters::broken(label, cell_width, dot_px))
        .collect();
    let lines = labels.iter().map(Vec::len).max().unwrap_or(1).max(1);
    let line = letters::height_px(dot_px) + gap;
    let rows = pictures.len().div_ceil(columns);
    let [across, down] = [cell_width + margin, cell_height + lines * line + margin];
    let mut sheet = Picture::filled(columns * across + margin, rows * down + margin, [255; 3]);
    for (place, (_, picture)) in pictures.iter().enumerate() {
        let left = margin + place % columns * across;
        let top = margin + place / columns * down;
        sheet.paste(picture, left, top);
        for (number, text) in labels[place].iter().enumerate() {
            let below = top + cell_height + gap + number * line;
            letters::write(&mut sheet, text, left, below, dot_px);
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOURS: [[u8; 3]; 3] = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];

    fn count(picture: &Picture, colour: [u8; 3]) -> usize {
        let pixels = picture.rgb().chunks(3);
        pixels.filter(|pixel| *pixel == colour).count()
    }

    #[test]
    fn every_picture_is_on_the_sheet() {
        let pictures = COLOURS.map(|colour| (7, Picture::filled(64, 32, colour)));
        let sheet = sheet(&pictures);
        for colour in COLOURS {
            assert_eq!(count(&sheet, colour), 64 * 32);
        }
    }

    #[test]
    fn labels_are_no_wider_than_pictures_and_different_ones_look_different() {
        let labelled = |label: &str| {
            let cells = COLOURS.map(|colour| (label.to_owned(), Picture::filled(64, 32, colour)));
            strip(&cells, 3)
        };
        let (one, other) = (labelled("SAG 0.75"), labelled("SAG 0.25"));
        assert_eq!(
            (one.width_px(), one.height_px()),
            (other.width_px(), other.height_px())
        );
        assert!(one != other, "the labels are not to be told apart");
        for colour in COLOURS {
            assert_eq!(count(&one, colour), 64 * 32);
        }
        // What has no letter is a gap, and a label too long for its picture goes on below.
        let long = labelled("un café à la crème de marrons 🍎");
        assert_eq!(count(&long, COLOURS[2]), 64 * 32);
        assert_eq!(long.width_px(), one.width_px());
        assert!(long.height_px() > one.height_px());
    }
}
