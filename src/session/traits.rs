//! What a job must know of a model.

use super::Size;
use crate::{diffusion::schedule::PredictionType, models::config::UnetConfig};

/// What a job must know of a model before it is run: the usual settings, and what sizes are possible.
#[derive(Clone, Debug, PartialEq)]
pub struct Traits {
    /// The size it was trained on.
    pub size: Size,
    /// Steps that are usual for it.
    pub steps: usize,
    /// Guidance scale that is usual for it.
    pub cfg_scale: f64,
    /// Pixels a side for each latent: 8.
    pub reduction: usize,
    /// What it predicts.
    pub prediction: PredictionType,
    /// Which layers there are to listen to.
    pub unet: UnetConfig,
}
