//! What a step costs, roughly: to split submissions, and to say how far from a device's limits a kernel is.

use super::step::{Step, Storage, quads};
use crate::engine::{Op, Shape};

/// Work of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations; a multiply-add is two.
    pub flops: u64,
    /// Bytes that must be read and written at least, each operand once.
    pub bytes: u64,
}

impl Cost {
    /// Counts a step.
    pub fn of(step: &Step, storage: Storage) -> Self {
        let tensors = step.operands.iter().chain([&step.output]);
        let bytes = tensors.map(|shape| quads(shape) as u64 * storage.quad_bytes());
        Self {
            flops: flops(step),
            bytes: bytes.sum(),
        }
    }

    /// A rough time on a device that does ten operations in the time it moves a byte, in operations.
    pub fn weight(self) -> u64 {
        self.flops + 10 * self.bytes
    }
}

fn flops(step: &Step) -> u64 {
    let output = step.output.elements() as u64;
    let operand = |at: usize| &step.operands[at];
    // The weights of a layer that reads two concatenated tensors come after both.
    let second = 1 + usize::from(step.joined);
    match &step.op {
        Op::Conv2d { .. } => {
            let kernel = operand(second);
            let columns = kernel.last() as u64;
            let positions = step.output.rows() as u64;
            2 * positions * columns * (kernel.elements() as u64 / columns)
        }
        Op::Matmul { transposed, .. } => {
            let inner: usize = step.operands[..second].iter().map(Shape::last).sum();
            let weights = operand(second);
            let columns = weights[weights.rank() - if *transposed { 2 } else { 1 }];
            2 * step.output.rows() as u64 * columns as u64 * inner as u64
        }
        Op::Attention { heads, .. } => {
            let keys = operand(1)[1] as u64;
            let per_score = 4 * (step.output.last() / heads) as u64;
            step.output[0] as u64 * *heads as u64 * step.output[1] as u64 * keys * per_score
        }
        Op::AttentionProbs { heads, .. } => 2 * output * (operand(0).last() / heads) as u64,
        Op::AttentionApply => 2 * output * operand(0).last() as u64,
        Op::GroupNorm { .. } | Op::LayerNorm { .. } | Op::Softmax => 8 * output,
        Op::Resize { .. } | Op::Geglu => 16 * output,
        Op::Pool { kernel, .. } => output * (kernel[0] * kernel[1]) as u64,
        Op::Reduce(..) => operand(0).elements() as u64,
        Op::Unary(_) | Op::Slope(_) | Op::Binary(_) | Op::Select => output,
        Op::After
        | Op::Reshape(_)
        | Op::Permute(_)
        | Op::Slice { .. }
        | Op::Concat(_)
        | Op::Pad { .. }
        | Op::Expand(_)
        | Op::Gather(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::op::Conv;

    #[test]
    fn a_convolution_counts_two_operations_for_each_tap_channel_and_output() {
        let step = Step {
            op: Op::Conv2d {
                conv: Conv::padded(1),
                bias: false,
            },
            joined: false,
            enlarged: false,
            after: Vec::new(),
            operands: vec![Shape::from([2, 8, 8, 16]), Shape::from([3, 3, 16, 32])],
            output: Shape::from([2, 8, 8, 32]),
        };
        let cost = Cost::of(&step, Storage::F16);
        assert_eq!(cost.flops, 2 * (2 * 8 * 8) * (3 * 3 * 16) * 32);
        assert_eq!(cost.bytes, 2 * (2048 + 4608 + 4096));
    }
}
