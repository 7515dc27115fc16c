//! Classifier-free guidance whose negative prompt comes in, or goes, as the steps go on.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Denoiser, Prediction, cfg::for_each, eps_from_output};
use crate::{
    diffusion::{Level, schedule::PredictionType},
    error::Result,
    models::{Unet, unet::Tap},
    tensor::Tensor,
};

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

/// The texts that [`BlendedCfg`] is told.
///
/// # Shapes
/// - each `[B, N, C]`, or one row for all pictures
#[derive(Clone)]
pub struct BlendedContexts {
    /// What is not to be seen.
    pub negative: Tensor,
    /// The empty prompt.
    pub empty: Tensor,
    /// What is to be seen.
    pub cond: Tensor,
}

/// Goes towards the prompt, away from a mixture of what the empty and the negative prompt predict.
///
/// The original plug-and-play repository's guidance: with a share `alpha` that falls, the first steps are guided away from
/// nothing in particular, and the last ones away from the negative prompt. One forward on `[negative, empty, cond]`; a
/// row without weight is left out.
pub struct BlendedCfg {
    unet: Rc<Unet>,
    prediction_type: PredictionType,
    contexts: BlendedContexts,
    /// The empty prompt's share at each timestep.
    alphas: Vec<(usize, f64)>,
    scale: f64,
}

impl BlendedCfg {
    /// Guides with these contexts; the empty prompt's share is `alpha` times the schedule's factor in each step of a walk.
    pub fn new(
        unet: Rc<Unet>,
        prediction_type: PredictionType,
        contexts: BlendedContexts,
        walk: &[(Level, Level)],
        (alpha, schedule): (f64, BlendSchedule),
        scale: f64,
    ) -> Self {
        let mut timesteps: Vec<_> = walk.iter().map(|(from, _)| from.t).collect();
        timesteps.dedup();
        let factors = schedule.factors(timesteps.len());
        let alphas = timesteps.into_iter().zip(factors);
        Self {
            unet,
            prediction_type,
            contexts,
            alphas: alphas.map(|(t, factor)| (t, alpha * factor)).collect(),
            scale,
        }
    }

    /// The prompts that are guided away from, and the share of each.
    fn away(&self, at: Level) -> Vec<(&Tensor, f64)> {
        let own = self.alphas.iter().find(|(t, _)| *t == at.t);
        let alpha = own.map_or(1.0, |(_, alpha)| *alpha);
        let both = [
            (&self.contexts.negative, 1.0 - alpha),
            (&self.contexts.empty, alpha),
        ];
        both.into_iter().filter(|(_, share)| *share != 0.0).collect()
    }

    /// The noise predicted for each of these prompts, in one forward.
    fn forward(
        &self,
        x: &Tensor,
        at: Level,
        contexts: &[&Tensor],
        tap: &mut dyn Tap,
    ) -> Vec<Tensor> {
        let [pictures, ..] = x.dims::<4>();
        let texts: Vec<_> = contexts
            .iter()
            .map(|context| for_each(context, pictures))
            .collect();
        let texts = Tensor::concat(&texts.iter().collect::<Vec<_>>(), 0);
        let copies = Tensor::concat(&vec![x; contexts.len()], 0);
        let output = self.unet.forward(&copies, &[at.t], &texts, tap);
        let rows = |place: usize| output.rows(place * pictures..(place + 1) * pictures);
        (0..contexts.len())
            .map(|place| eps_from_output(self.prediction_type, &rows(place), x, at))
            .collect()
    }
}

/// A mixture of one prediction or two.
fn mixed(predictions: &[Tensor], shares: &[(&Tensor, f64)]) -> Tensor {
    match (predictions, shares) {
        ([first, second], [(_, a), (_, b)]) => first.mix(*a, second, *b),
        (predictions, _) => predictions[0].clone(),
    }
}

impl Denoiser for BlendedCfg {
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction> {
        let away = self.away(at);
        let mut contexts: Vec<_> = away.iter().map(|(context, _)| *context).collect();
        contexts.push(&self.contexts.cond);
        let mut predictions = self.forward(x, at, &contexts, tap);
        let cond = predictions.pop().expect("the prompt's own prediction");
        let uncond = mixed(&predictions, &away);
        Ok(Prediction {
            eps: uncond.mix(1.0 - self.scale, &cond, self.scale),
            cond,
            uncond: Some(uncond),
            maps: Vec::new(),
        })
    }

    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Tensor> {
        let away = self.away(at);
        // A forward for each: one row a picture is how a tap knows that none of them is for the prompt.
        let predictions: Vec<_> = away
            .iter()
            .flat_map(|(context, _)| self.forward(x, at, &[context], tap))
            .collect();
        Ok(mixed(&predictions, &away))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_those_that_were_written_down() {
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found}");
        let linear = BlendSchedule::Linear.factors(50);
        for (step, expected) in [(0, 1.0), (1, 0.979_592), (2, 0.959_184), (48, 0.020_408), (49, 0.0)] {
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
