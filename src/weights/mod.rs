//! Weights: where they come from, what they are called, and how they get onto a device.
//!
//! A [`Checkpoint`] is opened from a folder, a single file or memory; nothing but descriptions is read then. What it
//! holds is refused by name when it is not Stable Diffusion 1.x. A network's parameters are brought to a device by
//! [`load`](load::load), which checks every name and shape first and holds a few megabytes at a time.

pub mod checkpoint;
#[cfg(not(target_arch = "wasm32"))]
pub mod convert;
pub mod detector;
#[cfg(not(target_arch = "wasm32"))]
pub mod disk;
pub mod face_finder;
pub mod fingerprint;
pub mod guides;
pub mod header;
pub mod load;
pub mod mini;
pub mod names;
pub mod numbers;
mod openai;
mod pickle;
pub mod published;
pub mod recognise;
pub mod sd15;
pub mod source;
pub mod tensors;
pub mod torch_file;
#[cfg(not(target_arch = "wasm32"))]
pub mod write;

pub use checkpoint::{Checkpoint, Component, Ema};
pub use load::{Loaded, Progress};
pub use names::Part;
pub use source::{Files, Memory, MemoryFiles, WeightSource};
