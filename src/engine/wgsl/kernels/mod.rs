//! Lowers a step to launches of the shaders in `shaders/`.

mod shader;

pub use shader::Shader;

use super::step::{Limits, Lowered, Step};

/// Lowers a step to launches.
pub fn lower(step: &Step, _: &Limits) -> Lowered {
    unimplemented!("a kernel for {:?}", step.op)
}

/// Whether there are kernels for what is folded into a step.
pub fn supports(step: &Step) -> bool {
    step.after.is_empty() && !step.joined && !step.enlarged
}
