//! What each pixel of a photograph is to be, by a published segmenter.

use std::rc::Rc;

use crate::{
    error::{Error, Result},
    guidance::universal::Guide,
    models::{
        Prepared,
        published::{Lraspp, LrasppConfig, VOC},
    },
    tensor::{Interpolation, Tensor, Unary},
};

/// Keeps a quotient from 0.
const EPS: f64 = 1e-6;

/// Pulls towards pictures whose pixels are of given classes.
pub struct Segmentation {
    segmenter: Rc<Lraspp>,
    input: Prepared,
    /// 1 for each place's class, `[1, h, w, classes]`; nothing where any will do.
    wanted: Tensor,
}

impl Segmentation {
    /// Towards the classes that the segmenter sees in another picture.
    ///
    /// # Shapes
    /// - `picture`: `[1, H, W, 3]` in [0, 1]
    ///
    /// # Errors
    /// When the device has no room.
    pub fn picture(segmenter: &Rc<Lraspp>, picture: &Tensor) -> Result<Self> {
        let input = LrasppConfig::input().on(picture.device())?;
        let seen = segmenter.segment(&input.apply(picture));
        let wanted = surest(&seen).detached().keep()?;
        Ok(Self {
            segmenter: Rc::clone(segmenter),
            input,
            wanted,
        })
    }

    /// Towards one class where a mask is 1, and another, or any, elsewhere.
    ///
    /// # Shapes
    /// - `mask`: `[1, H, W, 1]`
    ///
    /// # Errors
    /// When a class is none of PASCAL VOC's, or the device has no room.
    pub fn mask(
        segmenter: &Rc<Lraspp>,
        mask: &Tensor,
        class: &str,
        elsewhere: Option<&str>,
    ) -> Result<Self> {
        let device = mask.device();
        let input = LrasppConfig::input();
        let half = device.tensor([1; 4], vec![0.5]);
        let mask = mask.resize([LrasppConfig::SIDE_PX; 2], Interpolation::Bilinear, true);
        let mask = mask.greater_equal(&half);
        let one = |name: Option<&str>| -> Result<Tensor> {
            let mut shares = vec![0.0; VOC.len()];
            if let Some(name) = name {
                shares[named(name)?] = 1.0;
            }
            Ok(device.tensor([1, 1, 1, VOC.len()], shares))
        };
        let inside = mask.mul(&one(Some(class))?);
        let outside = mask.affine(-1.0, 1.0).mul(&one(elsewhere)?);
        Ok(Self {
            segmenter: Rc::clone(segmenter),
            input: input.on(device)?,
            wanted: inside.add(&outside).keep()?,
        })
    }

    fn seen(&self, image: &Tensor) -> Tensor {
        self.segmenter.segment(&self.input.apply(image))
    }

    /// The mean over places that count, of `[B, h, w, 1]`.
    fn mean(&self, each: &Tensor) -> Tensor {
        let axes = [1, 2, 3];
        let counted = self.wanted.sum(&axes).affine(1.0, EPS);
        each.sum(&axes).div(&counted).reshape([each.shape()[0]])
    }
}

/// Which of PASCAL VOC's classes this is.
fn named(name: &str) -> Result<usize> {
    let wanted = name.trim().to_lowercase();
    VOC.iter()
        .position(|known| *known == wanted)
        .ok_or_else(|| {
            Error::Request(format!(
                "the segmenter knows no {name:?}; it knows {}",
                VOC.join(", ")
            ))
        })
}

/// 1 for the greatest of each place's numbers.
fn surest(seen: &Tensor) -> Tensor {
    seen.greater_equal(&seen.greatest(&[3]))
}

impl Guide for Segmentation {
    fn name(&self) -> &'static str {
        "segmentation"
    }

    /// The mean over pixels of the cross-entropy.
    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let seen = self.seen(image);
        let shifted = seen.sub(&seen.greatest(&[3]).detached());
        let sum = shifted.unary(Unary::Exp).sum(&[3]).unary(Unary::Log);
        let each = sum.sub(&shifted).mul(&self.wanted);
        Ok(self.mean(&each))
    }

    /// The share of pixels that are of the wanted class, 0 to 1.
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        let hits = surest(&self.seen(image)).mul(&self.wanted);
        Ok(self.mean(&hits))
    }
}
