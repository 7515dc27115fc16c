//! An embedding that pictures are to have: that of another picture, or of a text.

use std::rc::Rc;

use super::{losses::unit, matched::Angle};
use crate::{
    error::{Error, Result},
    guidance::universal::Guide,
    models::{Input, Prepared, guides::TextTower, published::Encoder},
    tensor::Tensor,
};

/// Pulls towards pictures of which an encoder says what it says of another picture or of a text: CLIP's style and text guides.
pub struct Similarity {
    name: &'static str,
    encoder: Rc<dyn Encoder>,
    input: Prepared,
    angle: Angle,
    /// `[1, N]`, 1 long
    wanted: Tensor,
}

impl Similarity {
    /// Towards a picture, squeezed to the encoder's size like those that are guided.
    ///
    /// # Shapes
    /// - `picture`: `[1, H, W, 3]` in [0, 1], of any size
    ///
    /// # Errors
    /// When the encoder cannot be run, or the device has no room.
    pub fn picture(
        encoder: Rc<dyn Encoder>,
        input: &Input,
        picture: &Tensor,
        angle: Angle,
    ) -> Result<Self> {
        let input = input.on(picture.device())?;
        let wanted = unit(&encoder.embed(&input.apply(picture))?);
        Ok(Self {
            name: "style",
            encoder,
            input,
            angle,
            wanted: wanted.detached().keep()?,
        })
    }

    /// Towards a text, by its tokens: `ids` with start and end, of which `used` are its own.
    ///
    /// # Errors
    /// When it says nothing, or the device has no room.
    pub fn text(
        encoder: Rc<dyn Encoder>,
        input: &Input,
        tower: &TextTower,
        (ids, used): (&[u32], usize),
        angle: Angle,
    ) -> Result<Self> {
        if used == 0 {
            return Err(Error::Request(
                "the guide's text says nothing: write what the picture is to show".to_owned(),
            ));
        }
        let wanted = tower.embed(&[ids.to_vec()], &[used + 1]);
        Ok(Self {
            name: "text",
            encoder,
            input: input.on(wanted.device())?,
            angle,
            wanted: wanted.keep()?,
        })
    }

    /// `[B, N]`
    fn embedding(&self, image: &Tensor) -> Result<Tensor> {
        let found = unit(&self.encoder.embed(&self.input.apply(image))?);
        let [numbers, wanted] = [&found, &self.wanted].map(|x| x.shape()[1]);
        if numbers != wanted {
            return Err(Error::Request(format!(
                "texts have embeddings of {wanted} numbers and pictures of {numbers}: take an encoder and a text tower of one CLIP"
            )));
        }
        Ok(found)
    }
}

impl Guide for Similarity {
    fn name(&self) -> &'static str {
        self.name
    }

    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        Ok(self.angle.between(&self.embedding(image)?, &self.wanted))
    }

    /// The cosine, -1 to 1.
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        let loss = Angle::Cosine.between(&self.embedding(image)?, &self.wanted);
        Ok(loss.affine(-1.0, 1.0))
    }
}
