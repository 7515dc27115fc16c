//! One guided step: as many turns as are asked for, each a prediction, what the guides make of it, and the sampler's step.

use std::rc::Rc;

use super::{
    Aim, Effect, Settings, Through,
    aim::{self, Losses},
    forward::Moved,
    recurrence::renoised,
};
use crate::{
    diffusion::{Level, Sampler, x0_from_eps},
    error::{Error, Result},
    guidance::{Denoiser, Map, Prediction},
    models::{Autoencoder, unet::Tap},
    tensor::{DType, Device, Keep, Shape, Tensor},
};

/// Gradients are taken of the loss times this where numbers are stored in f16: a mean over a picture's pixels gives each
/// of them so little that nothing would be left.
const F16_SEED: f64 = 1024.0;

/// Where fresh noise comes from: of the shape asked for, the next each time.
pub type Draw = Box<dyn FnMut(&Device, &Shape) -> Tensor>;

/// Where on the way down a step is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Which step, from 0 at the noisy end.
    pub step: usize,
    /// Steps in all.
    pub of: usize,
    /// The level it begins at.
    pub from: Level,
    /// The level it ends at.
    pub to: Level,
    /// Timesteps that the model was trained on.
    pub timesteps: usize,
    /// The mean over all steps of the share of signal that each keeps.
    pub mean_kept: f64,
}

impl Place {
    /// Each step of a walk.
    pub fn all(steps: &[(Level, Level)], timesteps: usize) -> Vec<Self> {
        let kept = |(from, to): &(Level, Level)| from.alphas_cumprod / to.alphas_cumprod;
        let mean_kept = steps.iter().map(kept).sum::<f64>() / steps.len().max(1) as f64;
        let places = steps.iter().enumerate().map(|(step, &(from, to))| Self {
            step,
            of: steps.len(),
            from,
            to,
            timesteps,
            mean_kept,
        });
        places.collect()
    }

    /// The share of `to`'s signal that is left at `from`.
    pub fn kept(&self) -> f64 {
        self.from.alphas_cumprod / self.to.alphas_cumprod
    }
}

/// What the guides made of one turn of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Iteration {
    /// The weighted sum of the losses, for each row.
    pub loss: Vec<f32>,
    /// Each guide's own loss, for each row.
    pub each: Vec<(String, Vec<f32>)>,
    /// Root mean square of the gradient with respect to the noisy latents, for each row.
    pub gradient: Vec<f64>,
    /// Losses of the clean estimate while it was improved, for each row.
    pub improved: Vec<Vec<f32>>,
    /// Rows whose gradient was no number: they went on unguided.
    pub lost: usize,
    /// Rows that showed a guide nothing to guide, such as no face: they went on without it.
    pub skipped: usize,
}

/// What a step leaves.
pub struct Stepped {
    /// The latents behind it.
    pub x: Tensor,
    /// The noise that was taken out of them.
    pub eps: Tensor,
    /// The clean estimate that the guides saw or made last.
    pub x0: Tensor,
    /// What the guides made of each turn.
    pub iterations: Vec<Iteration>,
    /// What other techniques saw in the last turn.
    pub maps: Vec<Map>,
}

/// Guidance by guides, around any [`Denoiser`] and any [`Sampler`] that remembers nothing.
pub struct Universal {
    /// Which parts are used, and how strongly.
    pub settings: Settings,
    /// What is pulled towards.
    pub aims: Vec<Aim>,
    /// Shows the guides what latents look like.
    pub autoencoder: Rc<Autoencoder>,
    /// Noise for recurrences, smoothing and encoding.
    pub noise: Draw,
}

impl Universal {
    /// Takes a step.
    ///
    /// # Shapes
    /// - `x`: `[B, h, w, 4]`
    ///
    /// # Errors
    /// When the device fails, a guide cannot look at pictures of this size, or nothing was a number from the start.
    pub async fn step(
        &mut self,
        denoiser: &mut dyn Denoiser,
        sampler: &mut dyn Sampler,
        x: &Tensor,
        at: &Place,
        tap: &mut dyn Tap,
    ) -> Result<Stepped> {
        let turns = self.settings.turns(at);
        let mut x = x.clone();
        let mut iterations = Vec::new();
        let mut turn = 1;
        loop {
            let stepped = self.turn(denoiser, sampler, &x, at, tap).await?;
            iterations.extend(stepped.iterations);
            let more = turn < turns;
            let noise =
                (more || self.settings.spare_draw).then(|| (self.noise)(x.device(), x.shape()));
            match noise {
                Some(noise) if more => x = renoised(&stepped.x, &noise, at),
                _ => {
                    return Ok(Stepped {
                        iterations,
                        ..stepped
                    });
                }
            }
            turn += 1;
        }
    }

    /// One turn of a step.
    async fn turn(
        &mut self,
        denoiser: &mut dyn Denoiser,
        sampler: &mut dyn Sampler,
        x: &Tensor,
        at: &Place,
        tap: &mut dyn Tap,
    ) -> Result<Stepped> {
        let guided = self.settings.window.is_over(at.step, at.of) && !self.counting(at).is_empty();
        let forward = self.settings.forward.filter(|_| guided);
        let seen = if forward.is_some() {
            x.tracked(self.keep())
        } else {
            x.clone()
        };
        let predicted = denoiser.predict(&seen, at.from, tap)?;
        let mut moved = match &forward {
            Some(forward) => self.forward(forward, &seen, &predicted, at).await?,
            None => self.unmoved(x, &predicted, at),
        };
        if guided && self.settings.backward.is_some() {
            self.backward(&mut moved, x, at).await?;
        }
        let eps = moved.eps;
        let mut next = sampler.step(x, &eps, at.from, at.to);
        if let Some(shift) = &moved.shift {
            next = next.add(shift);
        }
        let mut results = vec![&next, &eps, &moved.x0];
        results.extend(&predicted.remembered);
        results.extend(predicted.maps.iter().map(|map| &map.values));
        x.device().eval(&results)?;
        if at.step == 0 && moved.iteration.lost == x.shape()[0] && guided {
            return Err(Error::NotFinite(
                "the guides' losses are no numbers from the first step on: try a smaller --guide-scale, --precision f32 or another guide"
                    .to_owned(),
            ));
        }
        Ok(Stepped {
            x: next,
            eps,
            x0: moved.x0,
            iterations: guided.then_some(moved.iteration).into_iter().collect(),
            maps: predicted.maps.into_iter().map(Map::detached).collect(),
        })
    }

    /// What a turn without forward guidance begins with.
    fn unmoved(&self, x: &Tensor, predicted: &Prediction, at: &Place) -> Moved {
        Moved {
            eps: predicted.eps.detached(),
            x0: x0_from_eps(x, self.source(predicted), at.from).detached(),
            drive: drive(predicted),
            shift: None,
            iteration: Iteration::default(),
        }
    }

    /// The prediction that the clean estimate is made of.
    pub(super) fn source<'a>(&self, predicted: &'a Prediction) -> &'a Tensor {
        match (self.settings.through, &predicted.uncond) {
            (Through::Uncond, Some(uncond)) => uncond,
            (Through::Cond, _) => &predicted.cond,
            _ => &predicted.eps,
        }
    }

    /// The aims that count in a step.
    pub(super) fn counting(&self, at: &Place) -> Vec<&Aim> {
        let counts = |aim: &&Aim| aim.weight != 0.0 && aim.window.is_over(at.step, at.of);
        self.aims.iter().filter(counts).collect()
    }

    pub(super) fn keep(&self) -> Keep {
        if self.settings.sparing {
            Keep::Milestones
        } else {
            Keep::All
        }
    }

    /// What gradients are multiplied by while they are stored.
    pub(super) fn seed(x: &Tensor) -> f64 {
        match x.device().dtype() {
            DType::F16 => F16_SEED,
            DType::F32 => 1.0,
        }
    }

    /// The losses of a clean estimate: averaged over noise on it, when that is asked for.
    pub(super) async fn losses(&mut self, x0: &Tensor, at: &Place) -> Result<Losses> {
        let Some(smoothing) = self.settings.smoothing else {
            return self.judge(x0, at).await;
        };
        let deviation = smoothing.deviation * (1.0 - at.from.alphas_cumprod).sqrt();
        let mut all = Vec::new();
        for _ in 0..smoothing.samples {
            let noise = (self.noise)(x0.device(), x0.shape());
            all.push(self.judge(&x0.mix(1.0, &noise, deviation), at).await?);
        }
        Ok(aim::averaged(&all))
    }

    async fn judge(&self, x0: &Tensor, at: &Place) -> Result<Losses> {
        let image = self.autoencoder.decode(x0);
        self.judge_image(&image, at).await
    }

    /// The losses of a picture in [-1, 1].
    pub(super) async fn judge_image(&self, image: &Tensor, at: &Place) -> Result<Losses> {
        let mut losses = aim::losses(&self.counting(at), image, self.settings.looks).await?;
        if self.settings.root {
            losses.sum = losses.sum.unary(crate::tensor::Unary::Sqrt);
        }
        Ok(losses)
    }

    /// Whether gradients go into the predicted noise.
    pub(super) fn moves_noise(&self) -> bool {
        self.settings.effect == Effect::Noise
    }
}

/// What the prompt moves the prediction by; the prediction itself where there is no other.
pub(super) fn drive(predicted: &Prediction) -> Tensor {
    let eps = predicted.eps.detached();
    match &predicted.uncond {
        Some(uncond) => eps.sub(&uncond.detached()),
        None => eps,
    }
}

/// What one gradient takes: on a device that plans, with a guide that looks at the mean square of each pixel.
///
/// # Errors
/// When an operation's rule is not known.
pub fn rehearsal(
    settings: &Settings,
    denoiser: &mut dyn Denoiser,
    autoencoder: &Autoencoder,
    x: &Tensor,
    at: Level,
) -> Result<Tensor> {
    let keep = if settings.sparing {
        Keep::Milestones
    } else {
        Keep::All
    };
    let look = |x0: &Tensor| {
        let image = autoencoder.decode(x0);
        image.mul(&image).mean(&[0, 1, 2, 3])
    };
    let leaf = x.tracked(keep);
    let loss = if settings.forward.is_some() {
        let predicted = denoiser.predict(&leaf, at, &mut crate::models::unet::NoTap)?;
        look(&x0_from_eps(&leaf, &predicted.eps, at))
    } else {
        look(&leaf)
    };
    Ok(loss.gradient(&[&leaf], 1.0)?.remove(0))
}
