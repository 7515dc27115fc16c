//! Forward guidance: the gradient of the guides' loss with respect to the noisy latents.

use super::{
    Along, Forward, Iteration, Place, Universal,
    statistics::{factors, read, sizes},
    step::drive,
};
use crate::{diffusion::x0_from_eps, error::Result, guidance::Prediction, tensor::Tensor};

/// A prediction on its way through the guides.
pub struct Moved {
    /// The noise to take out.
    pub eps: Tensor,
    /// The clean estimate.
    pub x0: Tensor,
    /// What the prompt moves the prediction by: the unit of automatic strengths.
    pub drive: Tensor,
    /// What is added to the latents behind the step.
    pub shift: Option<Tensor>,
    pub iteration: Iteration,
}

impl Along {
    /// What a strength is multiplied by in a step.
    pub fn factor(self, at: &Place) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Increase => at.kept() / at.mean_kept,
            Self::Decrease => (1.0 - at.kept()) / (1.0 - at.mean_kept),
            Self::Noise => at.from.alphas_cumprod.recip().mul_add(1.0, -1.0).sqrt(),
        }
    }
}

impl Universal {
    /// Moves a prediction by the gradient with respect to `x`, which is tracked.
    ///
    /// With the loss `L`, the published form (section 3.2 of the paper) is `eps + strength * sqrt(1 - a) * dL/dx`: classifier
    /// guidance, the loss taken for a negative logarithm.
    pub(super) async fn forward(
        &mut self,
        forward: &Forward,
        x: &Tensor,
        predicted: &Prediction,
        at: &Place,
    ) -> Result<Moved> {
        let x0 = x0_from_eps(x, self.source(predicted), at.from);
        let losses = self.losses(&x0, at).await?;
        let seed = Self::seed(x);
        let gradients = losses.sum.gradient(&[x], seed)?;
        let gradient = &gradients[0];
        let eps = predicted.eps.detached();
        let x0 = x0.detached();
        let drive = drive(predicted);
        let mut rows = vec![losses.sum.detached(), sizes(gradient), sizes(&drive)];
        rows.extend(losses.each.iter().map(Tensor::detached));
        let rows: Vec<&Tensor> = rows.iter().collect();
        let mut computed = vec![gradient, &eps, &x0, &drive];
        computed.extend(&rows);
        x.device().eval(&computed)?;
        let numbers = read(&rows).await?;

        let strength = forward.strength * forward.along.factor(at);
        let level = at.from.alphas_cumprod;
        let applied = if self.moves_noise() {
            (1.0 - level).sqrt()
        } else {
            1.0 / at.kept().sqrt()
        };
        let sizes = numbers[1].iter().map(|&size| f64::from(size) / seed);
        let sizes: Vec<f64> = sizes.collect();
        let scales: Vec<f64> = (0..sizes.len())
            .map(|row| {
                let unit = if forward.automatic {
                    relative(numbers[2][row], sizes[row])
                } else {
                    1.0
                };
                let scale = strength * unit * applied;
                let finite = numbers[0][row].is_finite() && (scale * sizes[row]).is_finite();
                if finite {
                    self.clipped(scale, sizes[row])
                } else {
                    f64::NAN
                }
            })
            .collect();
        let step = scaled(gradient, &scales, seed);
        let iteration = Iteration {
            lost: scales.iter().filter(|scale| scale.is_nan()).count(),
            loss: numbers[0].clone(),
            each: self.named(at, &numbers[3..]),
            gradient: sizes,
            improved: Vec::new(),
            skipped: losses.skipped,
        };
        let (eps, x0, shift) = if self.moves_noise() {
            let eps = eps.add(&step);
            let x0 = x0_from_eps(&x.detached(), &eps, at.from);
            (eps, x0, None)
        } else {
            (eps, x0, Some(step.affine(-1.0, 0.0)))
        };
        Ok(Moved {
            eps,
            x0,
            drive,
            shift,
            iteration,
        })
    }

    /// A scale that lets a gradient of this size stay below the greatest allowed.
    pub(super) fn clipped(&self, scale: f64, size: f64) -> f64 {
        match self.settings.clip {
            Some(most) if scale * size > most => most / size,
            _ => scale,
        }
    }

    /// Each guide's losses under its name.
    pub(super) fn named(&self, at: &Place, each: &[Vec<f32>]) -> Vec<(String, Vec<f32>)> {
        let aims = self.counting(at).into_iter().zip(each);
        aims.map(|(aim, losses)| (aim.name.clone(), losses.clone()))
            .collect()
    }
}

/// What makes a gradient of this size as large as what the prompt moves; nothing where there is no gradient.
pub(super) fn relative(drive: f32, size: f64) -> f64 {
    if size == 0.0 {
        0.0
    } else {
        f64::from(drive) / size
    }
}

/// A gradient that was taken of `seed` times the loss, each row times its scale; nothing where a scale is no number.
pub(super) fn scaled(gradient: &Tensor, scales: &[f64], seed: f64) -> Tensor {
    let lost = scales.iter().any(|scale| scale.is_nan());
    let numbers: Vec<f64> = scales
        .iter()
        .map(|&scale| if scale.is_nan() { 0.0 } else { scale / seed })
        .collect();
    let scaled = gradient.mul(&factors(gradient, &numbers));
    if !lost {
        return scaled;
    }
    // What is no number stays none when it is multiplied by 0.
    let kept: Vec<f64> = scales
        .iter()
        .map(|scale| f64::from(u8::from(!scale.is_nan())))
        .collect();
    let nothing = gradient.device().tensor([1, 1, 1, 1], vec![0.0]);
    factors(gradient, &kept).select(&scaled, &nothing)
}
