//! A text that pictures are to agree with.

use std::rc::Rc;

use super::SWAY;
use crate::{
    error::{Error, Result},
    guidance::{network::losses::arcsine, universal::Guide},
    models::guides::{Eyes, TextTower},
    tensor::{Tensor, Unary},
};

/// What the published scripts multiply a cosine by: CLIP's own scale.
const CLIP_SCALE: f64 = 100.0;
/// Added under a root, where it would have no slope.
const EPS: f64 = 1e-12;

/// How far two embeddings are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Angle {
    /// One less the cosine.
    #[default]
    Cosine,
    /// Minus 100 times the cosine, as the published scripts have it: below 0.
    Scaled,
    /// Twice the square of half the angle: its slope does not fade where they are far apart.
    Spherical,
}

impl Angle {
    /// How far embeddings, each 1 long, are from one of these, on average.
    ///
    /// # Shapes
    /// - `found`: `[B, N]`; `wanted`: `[texts, N]`
    /// - returns `[B]`
    pub fn between(self, found: &Tensor, wanted: &Tensor) -> Tensor {
        let batch = found.shape()[0];
        let cosines = found.matmul_transposed(wanted, None);
        let each = match self {
            Self::Cosine => cosines.affine(-1.0, 1.0),
            Self::Scaled => cosines.affine(-CLIP_SCALE, 0.0),
            Self::Spherical => {
                // Half the chord is the sine of half the angle.
                let half = cosines.affine(-0.5, 0.5).relu().affine(1.0, EPS);
                let angle = arcsine(&half.unary(Unary::Sqrt));
                angle.unary(Unary::Square).affine(2.0, 0.0)
            }
        };
        each.mean(&[1]).reshape([batch])
    }
}

/// Pulls towards pictures of what a text says.
pub struct Meaning {
    eyes: Rc<Eyes>,
    angle: Angle,
    /// The text's embedding, `[1, N]`
    wanted: Tensor,
}

impl Meaning {
    /// Towards a text, by its tokens as the tower's tokenizer has them: `ids` with start and end, of which `used` are its own.
    ///
    /// # Errors
    /// When it says nothing, eyes and tower do not belong together, or the device has no room.
    pub fn new(
        eyes: &Rc<Eyes>,
        tower: &TextTower,
        ids: &[u32],
        used: usize,
        angle: Angle,
    ) -> Result<Self> {
        if used == 0 {
            return Err(Error::Request(
                "the guide's text says nothing: write what the picture is to show".to_owned(),
            ));
        }
        let width = eyes.embedding_width()?;
        let wanted = tower.embed(&[ids.to_vec()], &[used + 1]);
        if wanted.shape()[1] != width {
            return Err(Error::Request(format!(
                "texts have embeddings of {} numbers and pictures of {width}: take eyes and a text tower that were trained together",
                wanted.shape()[1]
            )));
        }
        Ok(Self {
            eyes: Rc::clone(eyes),
            angle,
            wanted: wanted.keep()?,
        })
    }
}

impl Guide for Meaning {
    fn name(&self) -> &'static str {
        "text"
    }

    fn sway(&self) -> f32 {
        SWAY
    }

    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let found = self.eyes.look(image).embedding();
        Ok(self.angle.between(&found, &self.wanted))
    }

    /// The cosine, -1 to 1.
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        let found = self.eyes.look(image).embedding();
        Ok(Angle::Cosine
            .between(&found, &self.wanted)
            .affine(-1.0, 1.0))
    }
}
