//! The networks: CLIP's text encoder, the U-Net, the autoencoders. Written once, against [`crate::tensor`].

mod parameters;

pub use parameters::{Kind, Needed, Parameters, Recorder};
