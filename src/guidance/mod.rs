//! What steers the U-Net: every technique wraps a [`Denoiser`] in a [`Denoiser`].

mod blend;
mod cfg;
mod crop;
pub mod edit;
mod freeu;
pub mod network;
mod perturbed;
mod projected;
mod rescaled;
pub mod sag;
pub mod universal;

pub use blend::{BlendSchedule, Blended};
pub use cfg::Cfg;
pub use edit::{MasaCtrl, PlugAndPlay, PromptToPrompt};
pub use freeu::{FreeU, FreeUSettings, Gating, slow_waves};
pub use perturbed::{PagSettings, Perturbed, SegSettings};
pub use projected::{ApgSettings, Projected};
pub use sag::{Sag, SagPreset, SagSettings};

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
    /// What techniques saw on the way, worth showing.
    pub maps: Vec<Map>,
    /// What a technique builds upon in the next step. It must be computed together with this one, or the next would compute
    /// all of this again.
    pub remembered: Vec<Tensor>,
}

/// Something a technique saw while it predicted: a picture of one channel.
#[derive(Clone, Debug)]
pub struct Map {
    /// What it is, in a word that names a file.
    pub name: &'static str,
    /// `[B, h, w, 1]`, between 0 and 1
    pub values: Tensor,
}

impl Map {
    fn detached(self) -> Self {
        Self {
            values: self.values.detached(),
            ..self
        }
    }
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

    /// The noise in `x` without any guidance, in one forward: for the negative or empty prompt where the guided prediction
    /// has it ([`Prediction::uncond`]), else for the prompt. A wrapper asks what it wraps.
    ///
    /// # Shapes
    /// - `x`: `[B, h, w, 4]`, also returned
    ///
    /// # Errors
    /// As [`Denoiser::predict`].
    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Tensor>;
}

impl Denoiser for Box<dyn Denoiser> {
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction> {
        (**self).predict(x, at, tap)
    }

    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Tensor> {
        (**self).unguided(x, at, tap)
    }
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
    match prediction_type {
        PredictionType::Epsilon => output.clone(),
        _ => output.mix(
            output_share(prediction_type, at),
            x,
            input_share(prediction_type, at),
        ),
    }
}

/// How much of the network's output is in the noise it stands for: `eps = output_share * output + input_share * x`.
fn output_share(prediction_type: PredictionType, at: Level) -> f64 {
    let signal = at.alphas_cumprod.sqrt();
    let noise = (1.0 - at.alphas_cumprod).sqrt();
    match prediction_type {
        PredictionType::Epsilon => 1.0,
        PredictionType::VPrediction => signal,
        PredictionType::Sample => -signal / noise,
    }
}

/// How much of the network's input is in the noise that its output stands for.
fn input_share(prediction_type: PredictionType, at: Level) -> f64 {
    let noise = (1.0 - at.alphas_cumprod).sqrt();
    match prediction_type {
        PredictionType::Epsilon => 0.0,
        PredictionType::VPrediction => noise,
        PredictionType::Sample => noise.recip(),
    }
}
