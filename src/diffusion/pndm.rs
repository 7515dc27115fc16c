//! Pseudo linear multistep sampling, the integrator Stable Diffusion 1.x is published with.
//!
//! Liu et al. 2022, <https://arxiv.org/abs/2202.09778>, in the form without Runge-Kutta steps: the second timestep is
//! visited twice, once to look ahead and once for good.

use std::collections::VecDeque;

use super::{Level, Sampler};
use crate::tensor::Tensor;

/// The linear multistep integrator.
#[derive(Default)]
pub struct Pndm {
    history: VecDeque<Tensor>,
    first: Option<(Tensor, Level, Level)>,
    calls: usize,
}

impl Pndm {
    /// An integrator that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The steps to ask it for, given those of a grid: the second level is visited twice.
    pub fn steps(steps: &[(Level, Level)]) -> Vec<(Level, Level)> {
        let mut walk = steps.to_vec();
        if let Some(&(second, _)) = steps.get(1) {
            walk.insert(1, (second, second));
        }
        walk
    }

    /// `3/2 e1 - 1/2 e2` and its longer kin: the noise extrapolated from what was predicted so far, newest first.
    fn extrapolated(&self) -> Tensor {
        let weights: &[f64] = match self.history.len() {
            1 => return self.history[0].clone(),
            2 => &[3.0 / 2.0, -1.0 / 2.0],
            3 => &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
            _ => &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
        };
        let first = self.history[0].mix(weights[0], &self.history[1], weights[1]);
        let rest = self.history.iter().zip(weights).skip(2);
        rest.fold(first, |sum, (eps, &weight)| sum.mix(1.0, eps, weight))
    }
}

/// Moves latents along a direction. The coefficients are written in the paper's form, which does not divide small
/// differences by each other.
fn transfer(x: &Tensor, eps: &Tensor, from: Level, to: Level) -> Tensor {
    let (a, next) = (from.alphas_cumprod, to.alphas_cumprod);
    let scale = a * (1.0 - next).sqrt() + (a * (1.0 - a) * next).sqrt();
    x.mix((next / a).sqrt(), eps, -(next - a) / scale)
}

impl Sampler for Pndm {
    fn step(&mut self, x: &Tensor, eps: &Tensor, from: Level, to: Level) -> Tensor {
        let call = self.calls;
        self.calls += 1;
        if call == 1
            && let Some((x, from, to)) = self.first.take()
        {
            // The step taken first is taken again, along the mean of the directions at its two ends.
            let mean = eps.mix(0.5, &self.history[0], 0.5);
            return transfer(&x, &mean, from, to);
        }
        self.history.push_front(eps.clone());
        self.history.truncate(4);
        if call == 0 {
            self.first = Some((x.clone(), from, to));
        }
        transfer(x, &self.extrapolated(), from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::schedule::{Evaluation, Following, Schedule, ScheduleConfig, Spacing};

    #[test]
    fn the_second_timestep_is_visited_twice() {
        let schedule = Schedule::new(&ScheduleConfig::default(), Evaluation::Single);
        let grid = schedule.grid(20, Spacing::Leading).unwrap();
        let walk = Pndm::steps(&schedule.steps(&grid, Following::Grid));
        let timesteps: Vec<_> = walk.iter().map(|(from, _)| from.t).collect();
        assert_eq!(timesteps.len(), 21);
        assert_eq!(timesteps[..4], [951, 901, 901, 851]);
        assert_eq!(timesteps[20], 1);
    }
}
