//! Pictures of eight bits a channel: read from files, to and from tensors, PNG files that remember their job, contact
//! sheets.

mod chart;
#[cfg(not(target_arch = "wasm32"))]
pub mod file;
mod framing;
mod letters;
mod open;
mod overlay;
pub mod png;
mod sheet;

pub use chart::chart;
pub use framing::{Crop, Fit, Framing, Resampling};
pub use open::{Opened, open};
pub use overlay::overlay;
pub use sheet::{sheet, strip};

use serde::{Deserialize, Serialize};

use crate::tensor::{Device, Tensor};

/// How a number becomes one of 256; the references disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// To the nearest, halves to even, as diffusers does.
    #[default]
    Nearest,
    /// Down, as the original plug-and-play repository and `ToPILImage` do; half a level darker on average.
    Truncate,
}

/// A picture in RGB, eight bits a channel.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width_px: usize,
    height_px: usize,
    rgb: Vec<u8>,
}

impl Picture {
    /// Whether each pixel is light, row by row: where the mean of its channels is half of white or more.
    pub fn light(&self) -> impl Iterator<Item = bool> + '_ {
        let sum = |pixel: &[u8]| pixel.iter().map(|&byte| u32::from(byte)).sum::<u32>();
        self.rgb
            .chunks_exact(3)
            .map(move |pixel| 2 * sum(pixel) >= 3 * 255)
    }

    /// A picture of one colour.
    pub fn filled(width_px: usize, height_px: usize, colour: [u8; 3]) -> Self {
        Self {
            width_px,
            height_px,
            rgb: colour.repeat(width_px * height_px),
        }
    }

    /// A picture from its bytes, row by row from the top.
    ///
    /// # Panics
    /// When there are not three bytes a pixel.
    pub fn from_rgb(width_px: usize, height_px: usize, rgb: Vec<u8>) -> Self {
        assert_eq!(rgb.len(), 3 * width_px * height_px, "three bytes a pixel");
        Self {
            width_px,
            height_px,
            rgb,
        }
    }

    /// A picture from what a decoder yields: `[H, W, 3]` in -1..1, anything outside cut off.
    ///
    /// # Panics
    /// When there are not three numbers a pixel.
    pub fn from_signed(
        width_px: usize,
        height_px: usize,
        elements: &[f32],
        rounding: Rounding,
    ) -> Self {
        let byte = |v: &f32| {
            let scaled = (v / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0;
            match rounding {
                Rounding::Nearest => scaled.round_ties_even() as u8,
                Rounding::Truncate => scaled as u8,
            }
        };
        Self::from_rgb(width_px, height_px, elements.iter().map(byte).collect())
    }

    /// The picture as an encoder takes it.
    ///
    /// # Shapes
    /// - returns `[1, H, W, 3]` in -1..1
    pub fn to_signed(&self, device: &Device) -> Tensor {
        self.to_tensor(device, |byte| f32::from(byte) / 255.0 * 2.0 - 1.0)
    }

    /// The picture as guides take it.
    ///
    /// # Shapes
    /// - returns `[1, H, W, 3]` in 0..1
    pub fn to_unit(&self, device: &Device) -> Tensor {
        self.to_tensor(device, |byte| f32::from(byte) / 255.0)
    }

    fn to_tensor(&self, device: &Device, number: impl Fn(u8) -> f32) -> Tensor {
        let elements = self.rgb.iter().map(|&byte| number(byte)).collect();
        device.tensor([1, self.height_px, self.width_px, 3], elements)
    }

    /// Width in pixels.
    pub fn width_px(&self) -> usize {
        self.width_px
    }

    /// Height in pixels.
    pub fn height_px(&self) -> usize {
        self.height_px
    }

    /// The bytes, row by row from the top.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Lays another picture over this one; what falls outside is lost.
    pub fn paste(&mut self, other: &Self, left_px: usize, top_px: usize) {
        let rows = other.height_px.min(self.height_px.saturating_sub(top_px));
        let columns = other.width_px.min(self.width_px.saturating_sub(left_px));
        for row in 0..rows {
            let from = 3 * row * other.width_px;
            let to = 3 * ((top_px + row) * self.width_px + left_px);
            self.rgb[to..to + 3 * columns].copy_from_slice(&other.rgb[from..from + 3 * columns]);
        }
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture {}x{}", self.width_px, self.height_px)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_the_references() {
        let numbers = [-1.5, -1.0, 1.0 / 255.0 - 1.0, 0.0, 1.0, f32::NAN];
        let bytes = |rounding| Picture::from_signed(2, 1, &numbers, rounding).rgb;
        assert_eq!(bytes(Rounding::Nearest), [0, 0, 0, 128, 255, 0]);
        assert_eq!(bytes(Rounding::Truncate), [0, 0, 0, 127, 255, 0]);
    }

    #[test]
    fn every_byte_survives_the_way_there_and_back() {
        for byte in 0..=255u8 {
            let signed = f32::from(byte) / 255.0 * 2.0 - 1.0;
            let back = Picture::from_signed(1, 1, &[signed; 3], Rounding::Nearest);
            assert_eq!(back.rgb(), [byte; 3]);
        }
    }
}
