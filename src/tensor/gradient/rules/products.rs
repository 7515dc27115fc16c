//! Matrix products and convolutions.

use super::{Call, Gradients, spread};
use crate::{
    engine::{Op, op::Conv},
    error::{Error, Result},
    tensor::{PadMode, Shape, Tensor},
};

pub fn matmul(call: &mut Call) -> Gradients {
    let Op::Matmul { transposed, .. } = *call.op else {
        unreachable!("{:?} is not a product", call.op);
    };
    let g = call.gradient.clone();
    let x = call.wants(0).then(|| {
        let w = call.operand(1);
        if transposed {
            g.matmul(&w, None)
        } else {
            g.matmul_transposed(&w, None)
        }
    });
    let w = call.wants(1).then(|| {
        let x = call.operand(0);
        // One matrix for all leading axes: the rows are one axis.
        let shared = call.shape(1).rank() == 2;
        let [x, g] = [&x, &g].map(|tensor| {
            let rows = [tensor.shape().rows(), tensor.shape().last()];
            if shared {
                tensor.reshape(rows)
            } else {
                tensor.clone()
            }
        });
        if transposed {
            turned(&g).matmul(&x, None)
        } else {
            turned(&x).matmul(&g, None)
        }
    });
    vec![x, w, call.wants(2).then(|| columns(&g))]
}

/// The last two axes exchanged.
pub fn turned(x: &Tensor) -> Tensor {
    let rank = x.shape().rank();
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(rank - 1, rank - 2);
    x.permute(&order)
}

/// The sum of all rows: the gradient of a row that was added to each.
fn columns(g: &Tensor) -> Tensor {
    let [rows, columns] = [g.shape().rows(), g.shape().last()];
    g.reshape([rows, columns]).sum(&[0]).reshape([columns])
}

pub fn conv2d(call: &mut Call, conv: Conv, bias: bool) -> Result<Gradients> {
    if call.wants(1) {
        return Err(Error::Request(
            "the gradient of a convolution's kernel is not known: only what a network is given can be tracked"
                .to_owned(),
        ));
    }
    let g = call.gradient.clone();
    let x = if call.wants(0) {
        let weight = call.operand(1);
        let back = weight.laid_out(|weight| flipped(weight, conv.groups))?;
        Some(unconvolved(&g, &back, conv, call.shape(0)))
    } else {
        None
    };
    let bias = (bias && call.wants(2)).then(|| columns(&g));
    Ok(vec![x, None, bias])
}

/// A kernel for the way back: its taps in reverse order, inputs and outputs exchanged within each group.
///
/// `[kh, kw, C / groups, O]` to `[kh, kw, O / groups, C]`
pub fn flipped(weight: &Tensor, groups: usize) -> Tensor {
    let [kh, kw, inner, outer] = weight.dims();
    let taps = weight.reshape([kh * kw, inner * outer]);
    let reversed: Vec<u32> = (0..(kh * kw) as u32).rev().collect();
    let taps = taps.gather(&reversed);
    let taps = taps.reshape([kh * kw, inner, groups, outer / groups]);
    let turned = taps.permute(&[0, 3, 2, 1]);
    turned.reshape([kh, kw, outer / groups, groups * inner])
}

/// The gradient with respect to a convolution's input of this shape, by a convolution with the [`flipped`] kernel.
pub fn unconvolved(g: &Tensor, back: &Tensor, conv: Conv, shape: &Shape) -> Tensor {
    let [kh, kw, ..] = back.dims::<4>();
    let mut g = g.clone();
    let mut pad = [0; 4];
    for (axis, taps) in [kh, kw].into_iter().enumerate() {
        let stride = conv.stride[axis];
        let [front, behind] = [conv.pad[2 * axis], conv.pad[2 * axis + 1]];
        let reach = conv.dilation[axis] * (taps - 1);
        // Where the windows began, counted through the padded input; windows that no stride reached have gradient 0.
        let begins = shape[axis + 1] + front + behind - reach;
        g = spread(&g, axis + 1, 0, stride, begins);
        // Windows that began in the padding count less the deeper they lay in it.
        let cut = |border: usize| border.saturating_sub(reach);
        g = g.slice(axis + 1, cut(front)..begins - cut(behind));
        pad[2 * axis] = reach.saturating_sub(front);
        pad[2 * axis + 1] = reach.saturating_sub(behind);
    }
    let conv = Conv {
        stride: [1, 1],
        pad,
        ..conv
    };
    g.conv2d(back, None, conv)
}

/// `x` with a border of zeros, of a picture.
pub fn bordered(x: &Tensor, [top, bottom, left, right]: [usize; 4]) -> Tensor {
    x.pad(&[0, top, left, 0], &[0, bottom, right, 0], PadMode::Zero)
}
