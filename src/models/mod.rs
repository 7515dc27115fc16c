//! The networks: CLIP's text encoder, the U-Net, the autoencoders. Written once, against [`crate::tensor`].

mod autoencoder;
mod clip_layer;
mod clip_text;
pub mod config;
pub mod guides;
mod input;
mod layers;
pub mod onnx;
mod parameters;
pub mod published;
mod random;
mod resnet;
mod taesd;
pub mod unet;
mod vae;

pub use autoencoder::Autoencoder;
pub use clip_text::ClipText;
pub use input::{Input, Prepared, Resampling};
pub use parameters::{Kind, Needed, Parameters, Recorder};
pub use random::Random;
pub use taesd::Taesd;
pub use unet::Unet;
pub use vae::{Posterior, Vae};
