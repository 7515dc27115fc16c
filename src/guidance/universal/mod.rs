//! Universal guidance (Bansal et al. 2023, <https://arxiv.org/abs/2302.07121>): any differentiable network steers.
//!
//! At each step the latents' clean estimate is decoded, a [`Guide`] says how far the picture is from what is wanted, and
//! the gradient of that moves the step. *Forward* guidance differentiates with respect to the noisy latents, through the
//! U-Net; *backward* guidance improves the clean estimate itself; *self-recurrence* puts noise back and takes the step
//! again. `FreeDoM`, MPGD, DPS, LGD and TFG (Ye et al. 2024, <https://arxiv.org/abs/2409.15761>) differ from it in which of these
//! they use and how strongly, so all of them are [`Settings`] of one [`Universal`].
//!
//! The only room outside of tests that asks for gradients.

mod adam;
mod aim;
mod backward;
mod forward;
pub mod guides;
mod presets;
mod recurrence;
mod settings;
mod statistics;
mod step;

pub use aim::{Aim, Guide, scored};
pub use presets::{Kind, Preset, Recipe};
pub use settings::{
    Along, Backward, Descent, Effect, Forward, Settings, Smoothing, Space, Through, Window,
};
pub use step::{Draw, Iteration, Place, Stepped, Universal, rehearsal};
