//! How pictures look, whatever they show.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::SWAY;
use crate::{
    error::Result,
    guidance::{network::Loss, universal::Guide},
    models::guides::Eyes,
    tensor::Tensor,
};

/// What of a picture counts as its style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trait {
    /// Which features stand together in the inner maps, wherever they do: colours and textures (Gatys et al. 2016,
    /// <https://arxiv.org/abs/1508.06576>).
    #[default]
    Gram,
    /// The embedding of the whole: what it shows too.
    Embedding,
}

/// Pulls towards pictures that look like another.
pub struct Style {
    eyes: Rc<Eyes>,
    of: Trait,
    /// For each map its Gram matrix, `[1, C, C]`, and 1 over its mean square; or the embedding.
    wanted: Vec<(Tensor, f64)>,
}

impl Style {
    /// Towards the style of this picture.
    ///
    /// # Shapes
    /// - `picture`: `[1, H, W, 3]` in [0, 1], of any size
    ///
    /// # Errors
    /// When the eyes have no embedding and one is asked for, or the device fails.
    pub async fn new(eyes: &Rc<Eyes>, picture: &Tensor, of: Trait) -> Result<Self> {
        if of == Trait::Embedding {
            eyes.embedding_width()?;
        }
        let mut wanted = Vec::new();
        for features in features(eyes, picture, of) {
            let features = features.detached().keep()?;
            let numbers = features.read().await?;
            let squares = numbers.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            let unit = numbers.len() as f64 / squares.max(f64::MIN_POSITIVE);
            wanted.push((features, unit));
        }
        Ok(Self {
            eyes: Rc::clone(eyes),
            of,
            wanted,
        })
    }
}

/// What is compared, one tensor for each map.
fn features(eyes: &Eyes, image: &Tensor, of: Trait) -> Vec<Tensor> {
    let seen = eyes.look(image);
    match of {
        Trait::Gram => seen.stages().iter().map(gram).collect(),
        Trait::Embedding => vec![seen.embedding()],
    }
}

/// `[B, h, w, C]` to `[B, C, C]`: products of channels, their mean over places.
fn gram(map: &Tensor) -> Tensor {
    let [batch, h, w, channels] = map.dims();
    let map = map.reshape([batch, h * w, channels]).permute(&[0, 2, 1]);
    map.matmul_transposed(&map, None)
        .affine(1.0 / (h * w) as f64, 0.0)
}

impl Guide for Style {
    fn name(&self) -> &'static str {
        "style"
    }

    fn sway(&self) -> f32 {
        SWAY
    }

    /// The mean over maps of the squared difference of Gram matrices, in units of the wanted ones'; or 1 less the cosine.
    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let found = features(&self.eyes, image, self.of);
        if self.of == Trait::Embedding {
            return Ok(Loss::Cosine.between(&found[0], &self.wanted[0].0));
        }
        let share = 1.0 / found.len() as f64;
        let each = found
            .iter()
            .zip(&self.wanted)
            .map(|(found, (wanted, unit))| {
                Loss::L2.between(found, wanted).affine(unit * share, 0.0)
            });
        let sum = each.reduce(|sum, loss| sum.add(&loss));
        Ok(sum.expect("eyes have maps"))
    }
}
