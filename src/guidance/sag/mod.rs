//! Self-attention guidance (Hong et al. 2023, <https://arxiv.org/abs/2210.00939>).
//!
//! What the network attends to is blurred out of its own guess at the picture; where its prediction for the blurred
//! picture differs from its prediction for the sharp one lies detail, and guidance goes that way. No text is needed for it.

mod settings;

pub use settings::{MID, SagPreset, SagSettings};

use super::{Denoiser, Map, Prediction, input_share};
use crate::{
    diffusion::{Level, Levels, schedule::PredictionType, x0_from_eps},
    error::Result,
    models::unet::{Site, Tap},
    tensor::{Interpolation, Tensor},
};

/// Guides what it wraps by the network's own attention, at the price of one more forward.
///
/// The map is that of the unconditional row where there is one, as is the prediction that is compared with the degraded
/// one; without classifier-free guidance both are the prompt's. That is how diffusers does it
/// (<https://github.com/huggingface/diffusers/blob/v0.31.0/src/diffusers/pipelines/stable_diffusion_sag/pipeline_stable_diffusion_sag.py#L790>),
/// and `ComfyUI`'s form in clean latents is the same sum.
pub struct Sag<D> {
    inner: D,
    settings: SagSettings,
    prediction_type: PredictionType,
    levels: Levels,
    blocks: usize,
}

/// Latents with what is attended to blurred out of them.
pub struct Degraded {
    /// `[B, h, w, 1]`: 1 where the latents are blurred, else 0.
    pub mask: Tensor,
    /// The clean latents, blurred everywhere: `[B, h, w, 4]`.
    pub blurred: Tensor,
    /// The noisy latents, as noisy as before: `[B, h, w, 4]`.
    pub x: Tensor,
    /// What was added to the noisy latents: `[B, h, w, 4]`.
    pub change: Tensor,
}

impl<D> Sag<D> {
    /// Guides `inner` at the levels named; `blocks` is how many blocks the U-Net has on its way down.
    pub fn new(
        inner: D,
        settings: SagSettings,
        prediction_type: PredictionType,
        levels: Levels,
        blocks: usize,
    ) -> Self {
        Self {
            inner,
            settings,
            prediction_type,
            levels,
            blocks,
        }
    }

    /// Blurs what the network attends to.
    ///
    /// # Shapes
    /// - `x`, `eps`: `[B, h, w, 4]`, noisy latents and the noise predicted in them
    /// - `probs`: `[B, heads, N, N]`, the attention that was paid meanwhile
    pub fn degrade(&self, x: &Tensor, eps: &Tensor, probs: &Tensor, at: Level) -> Degraded {
        let [_, h, w, _] = x.dims();
        let map = self.settings.layer.block.map_size([h, w], self.blocks);
        let mask = salient_mask(probs, self.settings.threshold, map, [h, w]);
        let x0 = x0_from_eps(x, eps, at);
        let blurred = x0.gaussian_blur(self.settings.kernel, self.settings.sigma);
        // The same noise as before is added to the blurred latents. Written as a change, it is exactly nothing outside
        // of the mask, whatever the numbers are stored as.
        let change = blurred
            .sub(&x0)
            .mul(&mask)
            .affine(at.alphas_cumprod.sqrt(), 0.0);
        Degraded {
            x: x.add(&change),
            mask,
            blurred,
            change,
        }
    }
}

/// Marks the latents that receive more than `threshold` times the average attention.
///
/// Each query's weights sum to 1, so that the mean over heads, summed over queries, is 1 on average over keys.
///
/// # Shapes
/// - `probs`: `[B, heads, N, N]` for `N` places in a map of the size `map`
/// - returns `[B, latents[0], latents[1], 1]`, every element 0 or 1
///
/// # Panics
/// When the map has not as many places as there are keys.
#[must_use]
pub fn salient_mask(
    probs: &Tensor,
    threshold: f64,
    map: [usize; 2],
    latents: [usize; 2],
) -> Tensor {
    let [batch, _, queries, keys] = probs.dims();
    let [h, w] = map;
    assert_eq!(keys, h * w, "a map of {h}x{w} for {keys} keys");
    // The mean over queries instead of the sum: one rounding of one number, whatever it is stored as.
    let received = probs.mean(&[1, 2]).reshape([batch, h, w, 1]);
    let average = threshold / queries as f64;
    let threshold = probs.device().tensor([1, 1, 1, 1], vec![average as f32]);
    received
        .greater(&threshold)
        .resize(latents, Interpolation::Nearest, false)
}

/// Keeps the attention of one layer.
struct Listen {
    layer: Site,
    probs: Option<Tensor>,
}

impl Tap for Listen {
    fn wants_probs(&self, at: Site) -> bool {
        at == self.layer
    }

    fn probs(&mut self, _: Site, p: Tensor) -> Tensor {
        self.probs = Some(p.clone());
        p
    }
}

impl<D: Denoiser> Denoiser for Sag<D> {
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction> {
        let scale = self.settings.scale;
        if scale == 0.0 || !self.levels.contain(at) {
            return self.inner.predict(x, at, tap);
        }
        let mut listen = Listen {
            layer: self.settings.layer,
            probs: None,
        };
        let mut prediction = self.inner.predict(x, at, &mut (&mut *tap, &mut listen))?;
        let heard = listen.probs.expect("the layer is one that the U-Net has");
        let [pictures, ..] = x.dims::<4>();
        // The unconditional rows come first where there are any.
        let probs = heard.rows(0..pictures);
        let reference = prediction.uncond.as_ref().unwrap_or(&prediction.cond);
        let degraded = self.degrade(x, reference, &probs, at);
        let eps = self.inner.unguided(&degraded.x, at, tap)?;
        // The predictions are compared in what the network puts out; velocities and clean latents hold a share of the
        // input, which differs between the two.
        let mut towards = reference.sub(&eps);
        let share = input_share(self.prediction_type, at);
        if share != 0.0 {
            towards = towards.mix(1.0, &degraded.change, share);
        }
        prediction.eps = prediction.eps.mix(1.0, &towards, scale);
        prediction.maps.push(Map {
            name: "sag-mask",
            values: degraded.mask,
        });
        Ok(prediction)
    }

    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Tensor> {
        self.inner.unguided(x, at, tap)
    }
}
