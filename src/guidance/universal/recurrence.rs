//! Self-recurrence: noise is put back, and a step taken again.

use super::{Place, Settings};
use crate::tensor::Tensor;

impl Settings {
    /// How often a step is taken.
    pub fn turns(&self, at: &Place) -> usize {
        if !self.recurrence_window.is_over(at.step, at.of) {
            return 1;
        }
        let parts = self.recurrences.len();
        let part = parts * at.from.t / at.timesteps.max(1);
        self.recurrences[part.min(parts - 1)]
    }
}

/// Latents of level `at.to`, made as noisy as `at.from` again.
pub fn renoised(x: &Tensor, noise: &Tensor, at: &Place) -> Tensor {
    let kept = at.kept();
    x.mix(kept.sqrt(), noise, (1.0 - kept).max(0.0).sqrt())
}
