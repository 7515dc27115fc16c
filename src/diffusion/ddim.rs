//! Denoising diffusion implicit models (Song et al. 2020, <https://arxiv.org/abs/2010.02502>).

use super::{Level, Noise, Sampler};
use crate::tensor::Tensor;

/// The implicit integrator: deterministic at eta 0, ancestral at eta 1.
pub struct Ddim {
    eta: f64,
    noise: Vec<Noise>,
}

impl Ddim {
    /// An integrator that draws fresh noise from one generator a picture, when `eta` asks for any.
    pub fn new(eta: f64, noise: Vec<Noise>) -> Self {
        Self { eta, noise }
    }

    /// One without fresh noise.
    pub fn deterministic() -> Self {
        Self::new(0.0, Vec::new())
    }
}

/// Standard deviation of the fresh noise that a step adds.
fn sigma(eta: f64, from: Level, to: Level) -> f64 {
    let (a, next) = (from.alphas_cumprod, to.alphas_cumprod);
    eta * ((1.0 - next) / (1.0 - a) * (1.0 - a / next))
        .max(0.0)
        .sqrt()
}

impl Sampler for Ddim {
    fn step(&mut self, x: &Tensor, eps: &Tensor, from: Level, to: Level) -> Tensor {
        let (a, next) = (from.alphas_cumprod, to.alphas_cumprod);
        let sigma = sigma(self.eta, from, to);
        // x0 is substituted, so that the latents are rounded once instead of three times.
        let keep = (next / a).sqrt();
        let direction = (1.0 - next - sigma * sigma).max(0.0).sqrt();
        let x = x.mix(keep, eps, direction - keep * (1.0 - a).sqrt());
        if sigma == 0.0 {
            return x;
        }
        let noise = super::noise::latents(&mut self.noise, x.device(), x.shape());
        x.mix(1.0, &noise, sigma)
    }
}
