//! Guidestar steers Stable Diffusion 1.x without training anything.

#[cfg(feature = "cli")]
pub mod cli;
pub mod diffusion;
pub mod engine;
pub mod error;
pub mod guidance;
pub mod measures;
pub mod models;
pub mod picture;
pub mod session;
pub mod tensor;
pub mod tokenizer;
#[cfg(all(feature = "web", target_arch = "wasm32"))]
pub mod web;
pub mod weights;

pub use error::{Error, Result};
