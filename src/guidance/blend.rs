//! Classifier-free guidance whose negative prompt comes in, or goes, as the steps go on.

use serde::{Deserialize, Serialize};

use super::{Cfg, Denoiser, Prediction};
use crate::{diffusion::Level, error::Result, models::unet::Tap, tensor::Tensor};

/// How the empty prompt's share of what is guided away from changes from the first step to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlendSchedule {
    /// Evenly from all to nothing.
    #[default]
    Linear,
    /// The same all the way.
    Constant,
    /// By a factor of `e^6`.
    Exp,
}

/// The exponent that [`BlendSchedule::Exp`] reaches in the last step
/// (<https://github.com/MichalGeyer/plug-and-play/blob/main/run_pnp.py>).
const LAST_EXPONENT: f64 = 6.0;

impl BlendSchedule {
    /// What the share is multiplied by, step by step.
    pub fn factors(self, steps: usize) -> Vec<f64> {
        let last = (steps.max(2) - 1) as f64;
        let factor = |step: usize| match self {
            Self::Linear => 1.0 - step as f64 / last,
            Self::Constant => 1.0,
            Self::Exp => (-LAST_EXPONENT * step as f64 / last).exp(),
        };
        (0..steps).map(factor).collect()
    }
}

/// Goes away from a mixture of what the empty and the negative prompt predict, instead of from one of them.
///
/// The original plug-and-play repository's guidance: with a share of the empty prompt that falls, the first steps are guided
/// away from nothing in particular, and the last ones away from the negative prompt. What it wraps guides away from the empty
/// prompt; the negative one is a forward more, where it has any weight.
pub struct Blended<D> {
    inner: D,
    negative: Cfg,
    /// The empty prompt's share at each timestep.
    alphas: Vec<(usize, f64)>,
    scale: f64,
}

impl<D> Blended<D> {
    /// Blends `inner`, which guides by `scale`, with `negative`, whose negative prompt is the one meant.
    ///
    /// The empty prompt's share in each step of the walk is `alpha` times the schedule's factor.
    pub fn new(
        inner: D,
        negative: Cfg,
        walk: &[(Level, Level)],
        (alpha, schedule): (f64, BlendSchedule),
        scale: f64,
    ) -> Self {
        let mut timesteps: Vec<_> = walk.iter().map(|(from, _)| from.t).collect();
        timesteps.dedup();
        let factors = schedule.factors(timesteps.len());
        let alphas = timesteps.into_iter().zip(factors);
        Self {
            inner,
            negative,
            alphas: alphas.map(|(t, factor)| (t, alpha * factor)).collect(),
            scale,
        }
    }

    fn alpha(&self, at: Level) -> f64 {
        let own = self.alphas.iter().find(|(t, _)| *t == at.t);
        own.map_or(1.0, |(_, alpha)| *alpha)
    }
}

impl<D: Denoiser> Denoiser for Blended<D> {
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction> {
        let alpha = self.alpha(at);
        let mut prediction = self.inner.predict(x, at, tap)?;
        let Some(empty) = prediction.uncond.as_ref().filter(|_| alpha < 1.0) else {
            return Ok(prediction);
        };
        let negative = self.negative.unguided(x, at, tap)?;
        let away = empty.mix(alpha, &negative, 1.0 - alpha);
        let change = away.sub(empty);
        prediction.eps = prediction.eps.mix(1.0, &change, 1.0 - self.scale);
        prediction.uncond = Some(away);
        Ok(prediction)
    }

    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Tensor> {
        let alpha = self.alpha(at);
        let empty = self.inner.unguided(x, at, tap)?;
        if alpha >= 1.0 {
            return Ok(empty);
        }
        let negative = self.negative.unguided(x, at, tap)?;
        Ok(empty.mix(alpha, &negative, 1.0 - alpha))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_those_that_were_written_down() {
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found}");
        let linear = BlendSchedule::Linear.factors(50);
        for (step, expected) in [
            (0, 1.0),
            (1, 0.979_592),
            (2, 0.959_184),
            (48, 0.020_408),
            (49, 0.0),
        ] {
            near(linear[step], expected);
        }
        let exp = BlendSchedule::Exp.factors(50);
        for (step, expected) in [(0, 1.0), (1, 0.884_751), (2, 0.782_784), (49, 0.002_479)] {
            near(exp[step], expected);
        }
        assert_eq!(BlendSchedule::Constant.factors(3), [1.0; 3]);
        assert_eq!(BlendSchedule::Linear.factors(1), [1.0]);
    }
}
