//! Classifier-free guidance (Ho and Salimans 2022, <https://arxiv.org/abs/2207.12598>).

use std::rc::Rc;

use super::{Denoiser, Prediction, eps_from_output};
use crate::{
    diffusion::{Level, schedule::PredictionType},
    error::Result,
    models::{Unet, unet::Tap},
    tensor::Tensor,
};

/// Goes from what the negative prompt predicts towards what the prompt predicts, and on.
///
/// The innermost denoiser: it alone knows the U-Net. Both predictions are one forward on the batch
/// `[uncond, cond]`; at scale 1, where the negative prompt has no weight, the forward is on `cond` alone.
pub struct Cfg {
    unet: Rc<Unet>,
    prediction_type: PredictionType,
    cond: Tensor,
    uncond: Tensor,
    scale: f64,
}

impl Cfg {
    /// Guides with these contexts.
    ///
    /// # Shapes
    /// - `cond`, `uncond`: `[B, 77, C]`, or one row for all pictures
    pub fn new(
        unet: Rc<Unet>,
        prediction_type: PredictionType,
        cond: Tensor,
        uncond: Tensor,
        scale: f64,
    ) -> Self {
        Self {
            unet,
            prediction_type,
            cond,
            uncond,
            scale,
        }
    }

    fn has_uncond(&self) -> bool {
        (self.scale - 1.0).abs() > f64::EPSILON
    }
}

/// The context, once for each of so many pictures.
fn for_each(context: &Tensor, pictures: usize) -> Tensor {
    let [_, tokens, features] = context.dims();
    context.expand([pictures, tokens, features])
}

impl Denoiser for Cfg {
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction> {
        let [pictures, ..] = x.dims::<4>();
        let cond = for_each(&self.cond, pictures);
        let to_eps = |output: &Tensor| eps_from_output(self.prediction_type, output, x, at);
        if !self.has_uncond() {
            let eps = to_eps(&self.unet.forward(x, &[at.t], &cond, tap));
            return Ok(Prediction {
                cond: eps.clone(),
                eps,
                uncond: None,
            });
        }
        let context = Tensor::concat(&[&for_each(&self.uncond, pictures), &cond], 0);
        let twice = Tensor::concat(&[x, x], 0);
        let output = self.unet.forward(&twice, &[at.t], &context, tap);
        let uncond = to_eps(&output.rows(0..pictures));
        let cond = to_eps(&output.rows(pictures..2 * pictures));
        Ok(Prediction {
            eps: uncond.mix(1.0 - self.scale, &cond, self.scale),
            cond,
            uncond: Some(uncond),
        })
    }
}
