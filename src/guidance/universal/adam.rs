//! Adam (Kingma and Ba 2014, <https://arxiv.org/abs/1412.6980>) with PyTorch's defaults, without weight decay.

use crate::tensor::{Tensor, Unary};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPS: f64 = 1e-8;

/// The optimiser's state.
pub struct Adam {
    rate: f64,
    /// Steps in all, when the rate falls along a cosine.
    cosine: Option<usize>,
    steps: u32,
    mean: Option<Tensor>,
    square: Option<Tensor>,
}

impl Adam {
    /// One that has not seen anything.
    pub fn new(rate: f64, cosine: Option<usize>) -> Self {
        Self {
            rate,
            cosine,
            steps: 0,
            mean: None,
            square: None,
        }
    }

    /// Goes a step down a gradient that is `size` times as large as the true one.
    pub fn step(&mut self, x: &Tensor, gradient: &Tensor, size: f64) -> Tensor {
        let squared = gradient.unary(Unary::Square);
        let mean = match &self.mean {
            Some(mean) => mean.mix(BETA_1, gradient, 1.0 - BETA_1),
            None => gradient.affine(1.0 - BETA_1, 0.0),
        };
        let square = match &self.square {
            Some(square) => square.mix(BETA_2, &squared, 1.0 - BETA_2),
            None => squared.affine(1.0 - BETA_2, 0.0),
        };
        let rate = self.rate * self.fall();
        self.steps += 1;
        let unbiased = |beta: f64| 1.0 / (1.0 - beta.powi(self.steps as i32));
        let deviation = square
            .affine(unbiased(BETA_2), 0.0)
            .unary(Unary::Sqrt)
            .affine(1.0, EPS * size);
        let step = mean.affine(unbiased(BETA_1), 0.0).div(&deviation);
        (self.mean, self.square) = (Some(mean), Some(square));
        x.mix(1.0, &step, -rate)
    }

    /// The share of the rate that is left (Loshchilov and Hutter 2016, <https://arxiv.org/abs/1608.03983>).
    fn fall(&self) -> f64 {
        let turn = |of: usize| std::f64::consts::PI * f64::from(self.steps) / of as f64;
        self.cosine
            .map_or(1.0, |of| f64::midpoint(1.0, turn(of).cos()))
    }

    /// The tensors it remembers: to be computed with what it yields.
    pub fn state(&self) -> Vec<&Tensor> {
        self.mean.iter().chain(&self.square).collect()
    }
}
