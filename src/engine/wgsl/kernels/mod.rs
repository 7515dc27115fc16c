//! Lowers a step to launches of the shaders in `shaders/`.

mod shader;

pub use shader::Shader;
