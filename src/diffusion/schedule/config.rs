//! What a checkpoint says of its schedule, and the names of the choices in which implementations differ.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What the network was trained to predict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    /// The noise.
    #[default]
    Epsilon,
    /// `sqrt(A) noise - sqrt(1 - A) x0`
    #[serde(alias = "v")]
    VPrediction,
    /// The clean latents.
    Sample,
}

/// How `beta` grows with the timestep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// Evenly.
    Linear,
    /// Its square root evenly: Stable Diffusion's.
    ScaledLinear,
}

/// In which precision the table of noise levels is evaluated; the results differ by up to 4.7e-7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evaluation {
    /// diffusers: the betas in f32, their product in f64, each entry rounded to f32.
    #[default]
    Single,
    /// The original repository: everything in f64, each entry rounded to f32.
    Double,
}

/// Which training timesteps a sampler visits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spacing {
    /// Multiples of `floor(T / steps)`, shifted by the checkpoint's offset.
    #[default]
    Leading,
    /// From the noisiest timestep down, evenly, so that the noisiest is always visited.
    Trailing,
    /// Evenly from the first to the last timestep.
    Linspace,
    /// The original repository's: `range(0, T, floor(T / steps)) + 1`, whose length need not be `steps`.
    Ldm,
    /// The plug-and-play repository's: exactly `steps` multiples of `floor(T / steps)`, plus 1.
    PnpLdm,
}

/// Which level follows a timestep of the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Following {
    /// The grid's next timestep: the integrator goes where the network is asked next.
    #[default]
    Grid,
    /// `t - floor(T / steps)`, as diffusers has it: with trailing and even spacing the two drift apart.
    Ratio,
}

/// Which level the last step ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The first timestep's, which leaves a trace of noise: Stable Diffusion's own.
    FirstTimestep,
    /// No noise at all.
    Clean,
}

/// A checkpoint's `scheduler_config.json`, as far as it matters here.
///
/// Absent settings are those of Stable Diffusion 1.x, not the defaults of whichever class is named: those describe
/// another model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduleConfig {
    /// `beta` at the first timestep.
    pub beta_start: f64,
    /// `beta` at the last timestep.
    pub beta_end: f64,
    /// How `beta` grows between them.
    pub beta_schedule: BetaSchedule,
    /// Timesteps the network was trained on.
    pub num_train_timesteps: usize,
    /// What it predicts.
    pub prediction_type: PredictionType,
    /// The last step ends without any noise left instead of at the first timestep's level.
    pub set_alpha_to_one: bool,
    /// Added to each timestep of a leading grid.
    pub steps_offset: usize,
    /// Which timesteps are visited.
    pub timestep_spacing: Spacing,
    /// The last timestep was trained without any signal.
    pub rescale_betas_zero_snr: bool,
    /// Betas that follow no formula.
    pub trained_betas: Option<Vec<f64>>,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            beta_start: 0.000_85,
            beta_end: 0.012,
            beta_schedule: BetaSchedule::ScaledLinear,
            num_train_timesteps: 1000,
            prediction_type: PredictionType::Epsilon,
            set_alpha_to_one: false,
            steps_offset: 1,
            timestep_spacing: Spacing::Leading,
            rescale_betas_zero_snr: false,
            trained_betas: None,
        }
    }
}

impl ScheduleConfig {
    /// Reads a checkpoint's `scheduler_config.json`.
    ///
    /// # Errors
    /// When it is not one, or asks for a schedule that is not built in.
    pub fn from_json(text: &str) -> Result<Self> {
        let config: Self = serde_json::from_str(text)
            .map_err(|error| Error::Request(format!("scheduler_config.json: {error}")))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let wrong = if self.rescale_betas_zero_snr {
            "rescale_betas_zero_snr is on, which Stable Diffusion 1.x never uses"
        } else if self.trained_betas.is_some() {
            "trained_betas are given, which Stable Diffusion 1.x never uses"
        } else if !(2..=100_000).contains(&self.num_train_timesteps) {
            "num_train_timesteps must be between 2 and 100000"
        } else if !(0.0 < self.beta_start
            && self.beta_start <= self.beta_end
            && self.beta_end < 1.0)
        {
            "beta_start and beta_end must rise inside 0..1"
        } else {
            return Ok(());
        };
        Err(Error::Request(format!("scheduler_config.json: {wrong}")))
    }
}
