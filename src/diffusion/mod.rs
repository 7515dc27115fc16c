//! From noise to latents: noise levels, the integrators that walk down them, and where the noise comes from.
//!
//! Nothing here knows a network: a sampler is handed the predicted noise and answers with the next latents.

pub mod ddim;
pub mod inversion;
pub mod noise;
pub mod pndm;
pub mod schedule;
mod window;

pub use ddim::Ddim;
pub use inversion::{Inversion, Trajectory};
pub use noise::{Noise, NoiseSource};
pub use pndm::Pndm;
pub use schedule::{Grid, Level, Schedule};
pub use window::{Levels, Window};

use crate::tensor::Tensor;

/// One step of an integrator; the history of a multistep method lives in it.
pub trait Sampler {
    /// Moves the latents from one noise level down to the next.
    ///
    /// # Shapes
    /// - `x`, `eps`: `[B, h, w, 4]`, the latents at `from` and the noise predicted in them
    /// - returns `[B, h, w, 4]`, the latents at `to`
    fn step(&mut self, x: &Tensor, eps: &Tensor, from: Level, to: Level) -> Tensor;
}

/// The clean latents that `eps` says are hidden in `x`.
///
/// # Shapes
/// - `x`, `eps` and what is returned: `[B, h, w, 4]`
#[must_use]
pub fn x0_from_eps(x: &Tensor, eps: &Tensor, at: Level) -> Tensor {
    let signal = at.alphas_cumprod.sqrt();
    x.mix(
        1.0 / signal,
        eps,
        -(1.0 - at.alphas_cumprod).sqrt() / signal,
    )
}
