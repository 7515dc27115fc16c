//! The flags that every command which samples has: which model, and how it walks from noise to a picture.

use clap::{Args, ValueEnum};

use crate::{
    diffusion::{NoiseSource, schedule::PredictionType, schedule::Spacing},
    session::{Job, Parity, SamplerName, Size},
};

/// The model, the size of its pictures, and the quirks in which references differ.
#[derive(Clone, Debug, Args)]
pub struct Chosen {
    /// mini (built in), a folder in the diffusers layout, or a .safetensors file.
    #[arg(long, short, default_value = "mini", value_name = "MODEL")]
    pub model: String,
    /// Width and height [default: the model's].
    #[arg(long, value_name = "WxH")]
    pub size: Option<Size>,
    /// Which timesteps are visited [default: the model's].
    #[arg(long, value_enum)]
    pub spacing: Option<SpacingFlag>,
    /// The generator noise is drawn from [default: guidestar].
    #[arg(long, value_enum)]
    pub noise: Option<NoiseFlag>,
    /// What the network predicts, where the model's files say it wrongly.
    #[arg(long, value_enum)]
    pub prediction: Option<PredictionFlag>,
    /// Agree with a reference in every quirk: diffusers, ldm, comfyui, pnp-diffusers, pnp-ldm or ugd.
    #[arg(long, value_name = "NAME")]
    pub parity: Option<Parity>,
}

impl Chosen {
    /// Puts what these flags ask for into a job.
    pub fn apply(&self, job: &mut Job) {
        job.model.clone_from(&self.model);
        job.size = self.size;
        job.prediction = self.prediction.map(Into::into);
        job.parity = self.parity;
        job.quirks.spacing = self.spacing.map(Into::into);
        job.quirks.noise = self.noise.map(Into::into);
    }
}

/// How a picture is sampled.
#[derive(Clone, Debug, Args)]
pub struct Sampling {
    /// What is not to be seen.
    #[arg(
        long,
        short,
        default_value = "",
        hide_default_value = true,
        value_name = "PROMPT"
    )]
    pub negative: String,
    /// Steps of the sampler [default: the model's].
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// How strongly to follow the prompt [default: the model's].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub cfg_scale: Option<f64>,
    /// The integrator.
    #[arg(long, value_enum, default_value_t = SamplerFlag::Ddim)]
    pub sampler: SamplerFlag,
    /// Share of fresh noise in each step of ddim, 0 to 1 [default: 0, or what a preset of guides has].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub eta: Option<f64>,
}

impl Sampling {
    /// Puts what these flags ask for into a job.
    pub fn apply(&self, job: &mut Job) {
        job.negative.clone_from(&self.negative);
        job.steps = self.steps;
        job.cfg_scale = self.cfg_scale;
        job.sampler = self.sampler.into();
        job.eta = self.eta;
    }
}

/// Spellings of [`SamplerName`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SamplerFlag {
    /// Deterministic at eta 0.
    Ddim,
    /// The one Stable Diffusion was published with.
    Pndm,
}

impl From<SamplerFlag> for SamplerName {
    fn from(flag: SamplerFlag) -> Self {
        match flag {
            SamplerFlag::Ddim => Self::Ddim,
            SamplerFlag::Pndm => Self::Pndm,
        }
    }
}

/// Spellings of [`Spacing`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SpacingFlag {
    /// Multiples of T / steps, from the cleanest.
    Leading,
    /// Evenly from the noisiest.
    Trailing,
    /// Evenly from end to end.
    Linspace,
    /// The original repository's.
    Ldm,
    /// The plug-and-play repository's.
    PnpLdm,
}

impl From<SpacingFlag> for Spacing {
    fn from(flag: SpacingFlag) -> Self {
        match flag {
            SpacingFlag::Leading => Self::Leading,
            SpacingFlag::Trailing => Self::Trailing,
            SpacingFlag::Linspace => Self::Linspace,
            SpacingFlag::Ldm => Self::Ldm,
            SpacingFlag::PnpLdm => Self::PnpLdm,
        }
    }
}

/// Spellings of [`NoiseSource`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum NoiseFlag {
    /// The same on every platform.
    Guidestar,
    /// PyTorch's generator for the CPU.
    Torch,
}

impl From<NoiseFlag> for NoiseSource {
    fn from(flag: NoiseFlag) -> Self {
        match flag {
            NoiseFlag::Guidestar => Self::Guidestar,
            NoiseFlag::Torch => Self::Torch,
        }
    }
}

/// Spellings of [`PredictionType`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PredictionFlag {
    /// The noise.
    Epsilon,
    /// The velocity.
    V,
    /// The clean latents.
    Sample,
}

impl From<PredictionFlag> for PredictionType {
    fn from(flag: PredictionFlag) -> Self {
        match flag {
            PredictionFlag::Epsilon => Self::Epsilon,
            PredictionFlag::V => Self::VPrediction,
            PredictionFlag::Sample => Self::Sample,
        }
    }
}
