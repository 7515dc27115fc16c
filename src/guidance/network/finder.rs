//! Faces, and what finds them in pictures.

use super::{Mtcnn, YuNet, bounds::area};
use crate::{error::Result, tensor::Tensor};

/// A face in a picture, in shares of its width and height.
#[derive(Clone, Debug, PartialEq)]
pub struct Face {
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// Left, top, right, bottom.
    pub bounds: [f32; 4],
    /// Right eye, left eye, tip of the nose, right and left corner of the mouth, each across and down.
    pub landmarks: [[f32; 2]; 5],
}

impl Face {
    /// What of the picture it covers.
    pub fn area(&self) -> f32 {
        area(self.bounds)
    }
}

/// What finds faces.
pub enum FaceFinder {
    /// `YuNet`, from its ONNX file.
    YuNet(Box<YuNet>),
    /// MTCNN, from its weights.
    Mtcnn(Box<Mtcnn>),
}

impl FaceFinder {
    /// The faces in one picture, the surest first.
    ///
    /// # Shapes
    /// - `image`: `[1, H, W, 3]` in 0..1
    ///
    /// # Errors
    /// When the device is lost.
    pub async fn faces(&self, image: &Tensor) -> Result<Vec<Face>> {
        match self {
            Self::YuNet(finder) => finder.faces(image).await,
            Self::Mtcnn(finder) => finder.faces(image).await,
        }
    }
}

impl From<YuNet> for FaceFinder {
    fn from(finder: YuNet) -> Self {
        Self::YuNet(Box::new(finder))
    }
}

impl From<Mtcnn> for FaceFinder {
    fn from(finder: Mtcnn) -> Self {
        Self::Mtcnn(Box::new(finder))
    }
}
