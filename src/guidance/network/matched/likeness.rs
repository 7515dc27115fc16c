//! Drawn people who are to be known again.

use std::rc::Rc;

use crate::{
    error::{Error, Result},
    guidance::{network::Loss, universal::Guide},
    models::guides::Eyes,
    tensor::Tensor,
};

/// Pulls towards portraits of the person that a picture shows, whatever face they make and wherever they are.
pub struct Likeness {
    eyes: Rc<Eyes>,
    /// The picture's embedding, `[1, N]`
    wanted: Tensor,
}

impl Likeness {
    /// Towards the person in this picture, by eyes that were trained to know people again.
    ///
    /// # Shapes
    /// - `picture`: `[1, H, W, 3]` in [0, 1], of any size
    ///
    /// # Errors
    /// When the eyes answer other questions or have no embedding, or the device has no room.
    pub fn new(eyes: &Rc<Eyes>, picture: &Tensor) -> Result<Self> {
        eyes.embedding_width()?;
        if eyes.answers_questions() {
            return Err(Error::Request(
                "these eyes compare pictures with texts, not people: take those of identity"
                    .to_owned(),
            ));
        }
        Ok(Self {
            eyes: Rc::clone(eyes),
            wanted: eyes.look(picture).embedding().detached().keep()?,
        })
    }
}

impl Guide for Likeness {
    fn name(&self) -> &'static str {
        "portrait"
    }

    /// One less the cosine.
    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let found = self.eyes.look(image).embedding();
        Ok(Loss::Cosine.between(&found, &self.wanted))
    }

    /// The cosine, -1 to 1.
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        Ok(self.loss(image)?.affine(-1.0, 1.0))
    }
}
