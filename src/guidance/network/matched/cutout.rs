//! Where in a picture there is to be a thing, and where background.

use std::rc::Rc;

use super::PLACED_SWAY;
use crate::{
    error::{Error, Result},
    guidance::{network::losses::softplus, universal::Guide},
    models::guides::Eyes,
    tensor::{Interpolation, Tensor},
};

/// Keeps a quotient from 0.
const EPS: f64 = 1e-6;

/// Pulls towards pictures whose foreground has a given shape.
pub struct Cutout {
    eyes: Rc<Eyes>,
    /// The share of each cell that is foreground: `[1, 32, 32, 1]`
    wanted: Tensor,
    /// Height and width of the mask that was given; pictures must have them too.
    size: Option<[usize; 2]>,
}

impl Cutout {
    /// Towards a foreground where `mask` is 1.
    ///
    /// # Shapes
    /// - `mask`: `[1, H, W, 1]` in [0, 1], of the size of the pictures that are guided
    ///
    /// # Errors
    /// When it is all foreground or all background, or the device has no room.
    pub async fn mask(eyes: &Rc<Eyes>, mask: &Tensor) -> Result<Self> {
        let [_, h, w, _] = mask.dims();
        let cells = eyes.mask_cells()?;
        let wanted = mask.resize([cells; 2], Interpolation::Bilinear, true);
        let wanted = wanted.clamp(0.0, 1.0);
        let shares = wanted.read().await?;
        let whole = |end: f32| shares.iter().all(|share| (share - end).abs() < 0.5);
        let only = match [whole(0.0), whole(1.0)] {
            [true, _] => "background",
            [_, true] => "foreground",
            _ => {
                return Ok(Self {
                    eyes: Rc::clone(eyes),
                    wanted: wanted.keep()?,
                    size: Some([h, w]),
                });
            }
        };
        Err(Error::Request(format!(
            "the mask is {only} everywhere: paint the thing's place white and the rest black"
        )))
    }

    /// Towards the foreground of another picture, as these eyes see it.
    ///
    /// # Shapes
    /// - `picture`: `[1, H, W, 3]` in [0, 1], of any size
    ///
    /// # Errors
    /// When there is no thing in it, or the device has no room.
    pub async fn picture(eyes: &Rc<Eyes>, picture: &Tensor) -> Result<Self> {
        eyes.mask_cells()?;
        let half = picture.device().tensor([1, 1, 1, 1], vec![0.0]);
        let wanted = eyes.look(picture).mask().greater(&half).detached();
        if wanted.read().await?.iter().all(|&cell| cell == 0.0) {
            return Err(Error::Request(
                "the guide sees no thing in the target picture: take one with a single thing on a calm background"
                    .to_owned(),
            ));
        }
        Ok(Self {
            eyes: Rc::clone(eyes),
            wanted: wanted.keep()?,
            size: None,
        })
    }

    fn seen(&self, image: &Tensor) -> Result<Tensor> {
        let [_, h, w, _] = image.dims();
        match self.size {
            Some([tall, wide]) if [tall, wide] != [h, w] => Err(Error::Request(format!(
                "the mask is {wide}x{tall} and the picture {w}x{h}: they must be of the same size"
            ))),
            _ => Ok(self.eyes.look(image).mask()),
        }
    }
}

impl Guide for Cutout {
    fn name(&self) -> &'static str {
        "segmentation"
    }

    fn sway(&self) -> f32 {
        PLACED_SWAY
    }

    /// The mean over cells of the cross-entropy of foreground and background.
    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let logits = self.seen(image)?;
        let each = softplus(&logits).sub(&logits.mul(&self.wanted));
        Ok(each.mean(&[1, 2, 3]).reshape([image.shape()[0]]))
    }

    /// What both foregrounds share, as a part of what either covers (intersection over union), 0 to 1.
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        let seen = self.seen(image)?;
        let device = seen.device();
        let found = seen.greater(&device.tensor([1, 1, 1, 1], vec![0.0]));
        let wanted = self.wanted.greater(&device.tensor([1, 1, 1, 1], vec![0.5]));
        Ok(shared(&found, &wanted).reshape([image.shape()[0]]))
    }
}

/// What two masks share, as a part of what either covers, `[B, 1, 1, 1]`.
pub(super) fn shared(a: &Tensor, b: &Tensor) -> Tensor {
    let axes = [1, 2, 3];
    let either = a.max(b).sum(&axes).affine(1.0, EPS);
    a.min(b).sum(&axes).div(&either)
}
