//! What several test binaries use.

pub mod safetensors_file;
