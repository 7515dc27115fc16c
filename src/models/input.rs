//! How a network wants its pictures: size, order of colours, and the numbers that colours become.
//!
//! Publishers disagree on all of it, so each is a named value; a network of another's is described by a small JSON file
//! (its card) or by flags.

use serde::{Deserialize, Serialize};

use super::onnx::Network;
use crate::{
    error::{Error, Result},
    tensor::{Device, Interpolation, Tensor},
};

/// How pictures are resampled to a network's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resampling {
    /// Nearest neighbours.
    Nearest,
    /// Linear along each axis.
    #[default]
    Bilinear,
    /// Cubic convolution.
    Bicubic,
}

impl From<Resampling> for Interpolation {
    fn from(resampling: Resampling) -> Self {
        match resampling {
            Resampling::Nearest => Self::Nearest,
            Resampling::Bilinear => Self::Bilinear,
            Resampling::Bicubic => Self::Bicubic,
        }
    }
}

/// How a network wants its pictures. A number is `(colour * scale - mean) / std`, of a colour in 0..1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// Width and height; the picture's own when it is left out and the network's file says none.
    pub size: Option<[usize; 2]>,
    /// How pictures come to that size.
    pub resampling: Resampling,
    /// Widen the filter when shrinking, as picture libraries do and tensor libraries did not.
    pub antialias: bool,
    /// What white is before `mean` and `std`: 1, or 255.
    pub scale: f64,
    /// Taken off each colour.
    pub mean: [f64; 3],
    /// Each colour is divided by.
    pub std: [f64; 3],
    /// Blue comes first.
    pub bgr: bool,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            size: None,
            resampling: Resampling::Bilinear,
            antialias: true,
            scale: 1.0,
            mean: [0.0; 3],
            std: [1.0; 3],
            bgr: false,
        }
    }
}

impl Input {
    /// Reads a card.
    ///
    /// # Errors
    /// When it is no JSON, or says what no card says.
    pub fn read(place: &str, json: &str) -> Result<Self> {
        let input: Self = serde_json::from_str(json)
            .map_err(|error| Error::Request(format!("{place}: {error}")))?;
        input.check(place)?;
        Ok(input)
    }

    /// The same, in the size that a network's file says where nothing else is said.
    #[must_use]
    pub fn sized_for(mut self, network: &Network) -> Self {
        if self.size.is_none()
            && let Some(&[_, _, Some(height), Some(width)]) =
                network.single().map(|port| &port.dims[..])
        {
            self.size = Some([width, height]);
        }
        self
    }

    /// Whether there are numbers to work with.
    ///
    /// # Errors
    /// When there are not; `place` is where they were said.
    pub fn check(&self, place: &str) -> Result<()> {
        let wrong = |text: &str| Err(Error::Request(format!("{place}: {text}")));
        let numbers = [self.mean, self.std].concat();
        if !numbers.iter().chain([&self.scale]).all(|x| x.is_finite()) {
            return wrong("scale, mean and std must be numbers");
        }
        if self.std.contains(&0.0) {
            return wrong("no std may be 0: colours are divided by it");
        }
        match self.size {
            Some(size) if size.iter().any(|&side| !(1..=1 << 14).contains(&side)) => {
                wrong("a size has 1 to 16384 pixels a side")
            }
            _ => Ok(()),
        }
    }

    /// Brings its numbers to a device.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn on(&self, device: &Device) -> Result<Prepared> {
        // In the network's order of colours.
        let list = |of: &dyn Fn(usize) -> f64| -> Result<Tensor> {
            let numbers = [0, 1, 2].map(|colour| of(colour) as f32);
            device.constant([1, 1, 1, 3], &numbers)
        };
        Ok(Prepared {
            factor: list(&|colour| self.scale / self.std[colour])?,
            shift: list(&|colour| -self.mean[colour] / self.std[colour])?,
            input: self.clone(),
        })
    }
}

/// An [`Input`] on a device.
pub struct Prepared {
    input: Input,
    factor: Tensor,
    shift: Tensor,
}

impl Prepared {
    /// Width and height that pictures are brought to; none where they keep their own.
    pub fn size(&self) -> Option<[usize; 2]> {
        self.input.size
    }

    /// A picture as the network wants it.
    ///
    /// # Shapes
    /// - `image`: `[B, H, W, 3]` in 0..1
    /// - returns `[B, height, width, 3]`
    pub fn apply(&self, image: &Tensor) -> Tensor {
        let sized = match self.input.size {
            Some([width, height]) => image.resize(
                [height, width],
                self.input.resampling.into(),
                self.input.antialias,
            ),
            None => image.clone(),
        };
        let colours = if self.input.bgr {
            let [blue, green, red] = [2, 1, 0].map(|at| sized.slice(3, at..at + 1));
            Tensor::concat(&[&blue, &green, &red], 3)
        } else {
            sized
        };
        colours.mul(&self.factor).add(&self.shift)
    }
}
