//! What steers the U-Net: every technique wraps a [`Denoiser`] in a [`Denoiser`].

mod cfg;

pub use cfg::Cfg;

use crate::{
    diffusion::{Level, schedule::PredictionType},
    error::Result,
    models::unet::Tap,
    tensor::Tensor,
};

/// What one guided evaluation knows; each `[B, h, w, 4]`.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The noise that the sampler is to take out.
    pub eps: Tensor,
    /// The noise predicted for the prompt.
    pub cond: Tensor,
    /// The noise predicted for the negative or empty prompt, where that was asked for.
    pub uncond: Option<Tensor>,
}

/// Predicts the noise in latents.
pub trait Denoiser {
    /// Predicts the noise in `x`, which is as noisy as `at` says.
    ///
    /// # Shapes
    /// - `x`: `[B, h, w, 4]`
    ///
    /// # Errors
    /// When something had to be read from the device, and that failed.
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction>;
}

/// The noise that a U-Net's output stands for.
///
/// With `x = sqrt(a) x0 + sqrt(1 - a) eps`, a velocity is `v = sqrt(a) eps - sqrt(1 - a) x0`
/// (Salimans and Ho 2022, <https://arxiv.org/abs/2202.00512>).
///
/// # Shapes
/// - `output`, `x` and what is returned: `[B, h, w, 4]`
#[must_use]
pub fn eps_from_output(
    prediction_type: PredictionType,
    output: &Tensor,
    x: &Tensor,
    at: Level,
) -> Tensor {
    let signal = at.alphas_cumprod.sqrt();
    let noise = (1.0 - at.alphas_cumprod).sqrt();
    match prediction_type {
        PredictionType::Epsilon => output.clone(),
        PredictionType::VPrediction => output.mix(signal, x, noise),
        PredictionType::Sample => output.mix(-signal / noise, x, noise.recip()),
    }
}
