//! The lazy engine: our own WGSL kernels on any GPU that wgpu knows.

pub mod kernels;
pub mod step;
