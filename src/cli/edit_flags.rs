//! The flags of `pnp` and `invert`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{
    flags::{Output, Where},
    sampling::{Chosen, Sampling},
    steering::Steering,
};
use crate::{
    diffusion::{Inversion, Window},
    guidance::BlendSchedule,
    models::unet::Site,
    picture::Crop,
    session::{Method, edit::Encoding},
};

/// What is edited, and how its latents are found.
#[derive(Clone, Debug, Args)]
pub struct SourceFlags {
    /// What is to be seen in the source [default: nothing in particular].
    #[arg(long, alias = "prompt", value_name = "PROMPT")]
    pub source_prompt: Option<String>,
    /// Steps in which its latents are found [default: 50].
    #[arg(long, value_name = "N")]
    pub inversion_steps: Option<usize>,
    /// Whose timestep the network is told while a picture is inverted [default: target-t].
    #[arg(long, value_enum)]
    pub inversion: Option<InversionFlag>,
    /// Which latents stand for a picture [default: mean].
    #[arg(long, value_enum)]
    pub encoding: Option<EncodingFlag>,
    /// The part of the picture that is used: left,top,width,height in pixels [default: the middle].
    #[arg(long, value_name = "L,T,W,H")]
    pub crop: Option<Crop>,
    /// Where the latents are stored; read when it is there, written otherwise [default: a cache folder].
    #[arg(long, value_name = "FILE")]
    pub trajectory: Option<PathBuf>,
    /// By which model.
    #[command(flatten)]
    pub chosen: Chosen,
    /// A seed, for what is random [default: 0].
    #[arg(
        long,
        default_value_t = 0,
        hide_default_value = true,
        value_name = "SEED"
    )]
    pub seed: u64,
}

/// `guidestar invert`
#[derive(Debug, Args)]
pub struct Invert {
    /// A PNG, JPEG, WebP, GIF or BMP file.
    pub image: PathBuf,
    /// What is edited.
    #[command(flatten)]
    pub source: SourceFlags,
    /// Where to compute.
    #[command(flatten)]
    pub place: Where,
    /// Where results go.
    #[command(flatten)]
    pub output: Output,
}

/// `guidestar pnp`
#[derive(Debug, Args)]
pub struct Pnp {
    /// A picture, unless one is generated, and what is to be seen instead: one result a prompt.
    #[arg(required = true, value_name = "IMAGE|PROMPT")]
    pub words: Vec<String>,
    /// Make the source from this prompt instead of reading a picture.
    #[arg(long, value_name = "PROMPT")]
    pub generate: Option<String>,
    /// How it is sampled.
    #[command(flatten)]
    pub sampling: Sampling,
    /// How a result takes after its source.
    #[arg(long, default_value_t = Method::Pnp, value_name = "NAME")]
    pub method: Method,
    /// With img2img, how far towards noise it begins, 0 to 1 [default: 0.75].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub strength: Option<f64>,
    /// The share of the steps, or first..=last, in which the source says where things are [default: 0.8].
    #[arg(long, value_name = "WINDOW")]
    pub feature_window: Option<Window>,
    /// The same for what belongs together [default: 0.5].
    #[arg(long, value_name = "WINDOW")]
    pub attention_window: Option<Window>,
    /// With prompt-to-prompt, the same for where words look [default: 0.8].
    #[arg(long, value_name = "WINDOW")]
    pub cross_window: Option<Window>,
    /// The residual blocks that are the source's [default: the method's].
    #[arg(long, value_delimiter = ',', value_name = "LAYERS")]
    pub feature_layers: Option<Vec<Site>>,
    /// The self-attentions that are [default: the method's].
    #[arg(long, value_delimiter = ',', value_name = "LAYERS")]
    pub attention_layers: Option<Vec<Site>>,
    /// Blend the negative prompt with the empty one, whose share this is, 0 to 1.
    #[arg(long, value_name = "X")]
    pub negative_alpha: Option<f64>,
    /// How that share changes from step to step [default: linear].
    #[arg(long, value_enum)]
    pub negative_schedule: Option<ScheduleFlag>,
    /// Guide away from the source's prompt: negative-prompt inversion.
    #[arg(long)]
    pub negative_inversion: bool,
    /// Also write what each step believed in.
    #[arg(long)]
    pub previews: bool,
    /// What is edited.
    #[command(flatten)]
    pub source: SourceFlags,
    /// Where to compute.
    #[command(flatten)]
    pub place: Where,
    /// Where results go.
    #[command(flatten)]
    pub output: Output,
    /// What steers the sampling beside it. Last: its heading would go on over what follows.
    #[command(flatten)]
    pub steering: Steering,
}

/// Spellings of [`Inversion`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum InversionFlag {
    /// That of the latents as they are.
    SourceT,
    /// That of the level they go to.
    TargetT,
}

impl From<InversionFlag> for Inversion {
    fn from(flag: InversionFlag) -> Self {
        match flag {
            InversionFlag::SourceT => Self::SourceT,
            InversionFlag::TargetT => Self::TargetT,
        }
    }
}

/// Spellings of [`Encoding`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EncodingFlag {
    /// The mean of what the autoencoder holds for possible.
    Mean,
    /// One of those, drawn by the seed.
    Sample,
}

impl From<EncodingFlag> for Encoding {
    fn from(flag: EncodingFlag) -> Self {
        match flag {
            EncodingFlag::Mean => Self::Mean,
            EncodingFlag::Sample => Self::Sample,
        }
    }
}

/// Spellings of [`BlendSchedule`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ScheduleFlag {
    /// Evenly to nothing.
    Linear,
    /// The same all the way.
    Constant,
    /// Quickly at first.
    Exp,
}

impl From<ScheduleFlag> for BlendSchedule {
    fn from(flag: ScheduleFlag) -> Self {
        match flag {
            ScheduleFlag::Linear => Self::Linear,
            ScheduleFlag::Constant => Self::Constant,
            ScheduleFlag::Exp => Self::Exp,
        }
    }
}
