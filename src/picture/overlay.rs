//! A map laid over the picture that it belongs to.

use super::Picture;

/// What is marked is this colour, as far as it is marked.
const MARK: [f32; 3] = [255.0, 70.0, 40.0];
/// Share of the colour where the map is 1.
const STRENGTH: f32 = 0.6;
/// What is left of the picture's light where the map is 0.
const DIMMED: f32 = 0.55;

/// Marks the places where a map is high, and dims the others.
///
/// `values` are between 0 and 1, row by row; each covers the pixels that its place is for.
///
/// # Panics
/// When there are not as many values as the size says.
#[must_use]
pub fn overlay(picture: &Picture, values: &[f32], [h, w]: [usize; 2]) -> Picture {
    assert_eq!(values.len(), h * w, "a map of {h}x{w}");
    let (width, height) = (picture.width_px(), picture.height_px());
    let mut rgb = Vec::with_capacity(picture.rgb().len());
    for (at, pixel) in picture.rgb().chunks(3).enumerate() {
        let (row, column) = (at / width, at % width);
        let value = values[row * h / height * w + column * w / width].clamp(0.0, 1.0);
        for (&byte, mark) in pixel.iter().zip(MARK) {
            let light = f32::from(byte) * (DIMMED + (1.0 - DIMMED) * value);
            let share = STRENGTH * value;
            rgb.push((light * (1.0 - share) + mark * share).round() as u8);
        }
    }
    Picture::from_rgb(width, height, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_marked_is_coloured_and_the_rest_is_dimmed() {
        let picture = Picture::filled(4, 2, [100, 100, 100]);
        let marked = overlay(&picture, &[1.0, 0.0], [1, 2]);
        let pixels: Vec<_> = marked.rgb().chunks(3).collect();
        assert_eq!(pixels[1], [193, 82, 64]);
        assert_eq!(pixels[2], [55, 55, 55]);
        assert_eq!(pixels[0], pixels[5]);
    }
}
