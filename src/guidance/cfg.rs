//! Classifier-free guidance (Ho and Salimans 2022, <https://arxiv.org/abs/2207.12598>).

use std::rc::Rc;

use super::{
    Denoiser, Prediction, eps_from_output, perturbed::Perturbed, projected::Projected, rescaled,
};
use crate::{
    diffusion::{Level, schedule::PredictionType},
    error::Result,
    models::{Unet, unet::Tap},
    tensor::Tensor,
};

/// Goes from what the negative prompt predicts towards what the prompt predicts, and on.
///
/// The innermost denoiser: it alone knows the U-Net. All its predictions are one forward on the batch
/// `[uncond, cond, perturbed...]`; at scale 1, where the negative prompt has no weight, `uncond` is left out.
///
/// What is combined is the network's own output, noise or velocity or clean latents: only there are lengths and angles what
/// the references say they are. The sum is turned into noise at the end.
pub struct Cfg {
    unet: Rc<Unet>,
    prediction_type: PredictionType,
    cond: Tensor,
    uncond: Tensor,
    scale: f64,
    rescale: f64,
    projected: Option<Projected>,
    perturbed: Vec<Perturbed>,
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
            rescale: 0.0,
            projected: None,
            perturbed: Vec::new(),
        }
    }

    /// Takes the spread of the guided output back to that of the prompt's, by this share: 0 not at all, 1 wholly.
    #[must_use]
    pub fn rescaled(mut self, share: f64) -> Self {
        self.rescale = share;
        self
    }

    /// Guides along a projection of the difference instead of the difference.
    #[must_use]
    pub fn projected(mut self, projected: Projected) -> Self {
        self.projected = Some(projected);
        self
    }

    /// Also goes away from what the prompt predicts when self-attention is perturbed.
    #[must_use]
    pub fn perturbed(mut self, perturbed: Perturbed) -> Self {
        self.perturbed.push(perturbed);
        self
    }

    fn has_uncond(&self) -> bool {
        (self.scale - 1.0).abs() > f64::EPSILON || self.projected.is_some()
    }

    fn forward(&self, x: &Tensor, at: Level, context: &Tensor, tap: &mut dyn Tap) -> Tensor {
        self.unet.forward(x, &[at.t], context, tap)
    }
}

/// The context, once for each of so many pictures.
fn for_each(context: &Tensor, pictures: usize) -> Tensor {
    let [_, tokens, features] = context.dims();
    context.expand([pictures, tokens, features])
}

impl Denoiser for Cfg {
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction> {
        let [pictures, h, w, _] = x.dims::<4>();
        let to_eps = |output: &Tensor| eps_from_output(self.prediction_type, output, x, at);
        let acting: Vec<_> = self.perturbed.iter().filter(|it| it.acts(at)).collect();

        let cond = for_each(&self.cond, pictures);
        let mut contexts = vec![cond.clone(); 1 + acting.len()];
        if self.has_uncond() {
            contexts.insert(0, for_each(&self.uncond, pictures));
        }
        let branches = contexts.len();
        let context = Tensor::concat(&contexts.iter().collect::<Vec<_>>(), 0);
        let repeated = Tensor::concat(&vec![x; branches], 0);
        let rows = |branch: usize| branch * pictures..(branch + 1) * pictures;
        let first = branches - acting.len();
        let blocks = self.unet.config().block_out_channels.len();
        let mut taps: Vec<_> = acting
            .iter()
            .enumerate()
            .map(|(place, perturbed)| perturbed.tap(rows(first + place), [h, w], blocks))
            .collect();
        // Perturbations come last: what other taps put in is perturbed too.
        let output = match &mut taps[..] {
            [] => self.forward(&repeated, at, &context, tap),
            [one] => self.forward(&repeated, at, &context, &mut (tap, one)),
            taps => self.forward(&repeated, at, &context, &mut (tap, taps)),
        };
        let output = |branch: usize| output.rows(rows(branch));

        let cond = output(first - 1);
        let uncond = self.has_uncond().then(|| output(0));
        let mut guided = match (&uncond, &mut self.projected) {
            (None, _) => cond.clone(),
            (Some(uncond), None) => uncond.mix(1.0 - self.scale, &cond, self.scale),
            (Some(uncond), Some(projected)) => projected.guide(uncond, &cond, self.scale),
        };
        for (place, perturbed) in acting.iter().enumerate() {
            let away = cond.sub(&output(first + place));
            guided = guided.mix(1.0, &away, perturbed.scale(at));
        }
        if self.rescale != 0.0 && branches > 1 {
            guided = rescaled::rescale(&guided, &cond, self.rescale);
        }
        let running = self.projected.as_ref().and_then(Projected::running);
        Ok(Prediction {
            eps: to_eps(&guided),
            cond: to_eps(&cond),
            uncond: uncond.as_ref().map(to_eps),
            maps: Vec::new(),
            remembered: running.cloned().into_iter().collect(),
        })
    }

    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Tensor> {
        let [pictures, ..] = x.dims::<4>();
        let context = if self.has_uncond() {
            &self.uncond
        } else {
            &self.cond
        };
        let output = self.forward(x, at, &for_each(context, pictures), tap);
        Ok(eps_from_output(self.prediction_type, &output, x, at))
    }
}
