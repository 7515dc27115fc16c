//! Lowers a [`Step`] to launches of the shaders in `shaders/`.
//!
//! Each family of operations has a file. What they share is the launch: operands too large for one binding are cut in
//! [`launch`], and whatever follows an operation is described once, in [`after`].

mod after;
mod attention;
mod axes;
mod conv;
mod copy;
mod elementwise;
mod launch;
mod norm;
mod picture;
mod product;
mod reduce;
mod sample;
mod shader;
mod tile;

pub use shader::Shader;

use super::step::{Limits, Lowered, Step};
use crate::engine::op::Op;
use launch::Launcher;

/// Whether a step with what was fused into it can be lowered. A bare operation always can.
pub fn supports(step: &Step) -> bool {
    if !after::supports(step) {
        return false;
    }
    match step.op {
        Op::Conv2d { .. } => conv::supports(step),
        Op::Matmul { .. } => product::supports(step),
        Op::GroupNorm { .. } => norm::supports(step),
        Op::LayerNorm { .. } | Op::Unary(_) | Op::Slope(_) | Op::Binary(_) | Op::Select => {
            !step.joined && !step.enlarged && !after::has_geglu(step)
        }
        _ => !step.joined && !step.enlarged && step.after.is_empty(),
    }
}

/// The launches that compute a step.
///
/// # Panics
/// When the step is not one that [`supports`] takes.
pub fn lower(step: &Step, limits: &Limits) -> Lowered {
    let mut launcher = Launcher::new(step, limits);
    match &step.op {
        Op::Reshape(_)
        | Op::Permute(_)
        | Op::Slice { .. }
        | Op::Concat(_)
        | Op::Pad { .. }
        | Op::Expand(_) => copy::lower(&mut launcher),
        Op::Gather(_) | Op::Resize { .. } | Op::Pool { .. } => sample::lower(&mut launcher),
        Op::Unary(_) | Op::Slope(_) | Op::Binary(_) | Op::Select | Op::Geglu => {
            elementwise::lower(&mut launcher);
        }
        Op::Reduce(..) | Op::Softmax => reduce::lower(&mut launcher),
        Op::Matmul { .. } | Op::AttentionApply => product::lower(&mut launcher),
        Op::Conv2d { .. } => conv::lower(&mut launcher),
        Op::GroupNorm { .. } | Op::LayerNorm { .. } => norm::lower(&mut launcher),
        Op::Attention { .. } | Op::AttentionProbs { .. } => attention::lower(&mut launcher),
        Op::After => unreachable!("a tensor's other name is no step"),
    }
    launcher.finish()
}
