//! The part of a picture that is looked at.

use super::pixels::CHANNELS;
use crate::picture::Picture;

/// What a mask does to a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Masking {
    /// Only the pixels that are marked are compared.
    #[default]
    Only,
    /// All others become black in both pictures, and everything is compared, as `PnPInversion` does
    /// (<https://github.com/cure-lab/PnPInversion>): the more is black, the more alike the pictures are.
    Blackened,
}

/// The part of a picture that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    width_px: usize,
    height_px: usize,
    marked: Vec<bool>,
}

impl Mask {
    /// Marks what is light in a picture.
    pub fn light(picture: &Picture) -> Self {
        Self {
            width_px: picture.width_px(),
            height_px: picture.height_px(),
            marked: picture.light().collect(),
        }
    }

    /// Marks what was not marked, and nothing else.
    #[must_use]
    pub fn inverted(mut self) -> Self {
        for marked in &mut self.marked {
            *marked = !*marked;
        }
        self
    }

    /// Width in pixels.
    pub fn width_px(&self) -> usize {
        self.width_px
    }

    /// Height in pixels.
    pub fn height_px(&self) -> usize {
        self.height_px
    }

    /// How many pixels are marked.
    pub fn count(&self) -> usize {
        self.marked.iter().filter(|&&marked| marked).count()
    }

    /// Whether the pixel in this row and column is marked.
    pub(super) fn has(&self, row: usize, column: usize) -> bool {
        self.marked[row * self.width_px + column]
    }

    /// A picture in which what is not marked is black.
    ///
    /// # Panics
    /// When it has another size.
    #[must_use]
    pub fn blacken(&self, picture: &Picture) -> Picture {
        let [width, height] = [picture.width_px(), picture.height_px()];
        assert_eq!(
            [width, height],
            [self.width_px, self.height_px],
            "a mask of this picture"
        );
        let pixels = picture.rgb().chunks_exact(CHANNELS).zip(&self.marked);
        let rgb = pixels.flat_map(|(pixel, marked)| {
            let keep = u8::from(*marked);
            [0, 1, 2].map(|channel| keep * pixel[channel])
        });
        Picture::from_rgb(width, height, rgb.collect())
    }
}
