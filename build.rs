//! Prepares the shaders.

fn main() {}
