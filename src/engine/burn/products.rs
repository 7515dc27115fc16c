//! Matrix products and convolutions.

use burn::tensor::{
    Slice, Tensor, module,
    ops::{ConvOptions, PadMode},
    s,
};

use super::operand::{Flat, Operand, flatten};
use crate::engine::{Shape, op::Conv};

pub(super) fn matmul(x: &Operand, w: &Operand, bias: Option<&Operand>, transposed: bool) -> Flat {
    let inner = x.shape.last();
    let rank = w.shape.rank();
    let matrix = [w.shape[rank - 2], w.shape[rank - 1]];
    // One matrix for all leading axes: the rows are one axis.
    let batch = w.shape[..rank - 2].iter().product();
    let rows = x.shape.rows() / batch;
    let w = w.view([batch, matrix[0], matrix[1]]);
    let w = if transposed { w.transpose() } else { w };
    let product = x.view([batch, rows, inner]).matmul(w);
    flatten(with_bias(product, bias))
}

fn with_bias(product: Tensor<3>, bias: Option<&Operand>) -> Tensor<3> {
    match bias {
        Some(bias) => product + bias.view([1, 1, bias.shape.last()]),
        None => product,
    }
}

/// A convolution by the backend's own kernel, which wants channels first.
pub(super) fn conv2d(x: &Operand, weight: &Operand, bias: Option<&Operand>, conv: Conv) -> Flat {
    let [top, bottom, left, right] = conv.pad;
    let options = ConvOptions::new_with_padding(
        conv.stride,
        [(top, bottom), (left, right)],
        conv.dilation,
        conv.groups,
    );
    let x = x.exact::<4>().permute([0, 3, 1, 2]);
    let weight = weight.exact::<4>().permute([3, 2, 0, 1]);
    let bias = bias.map(|bias| bias.flat.clone());
    flatten(module::conv2d(x, weight, bias, options).permute([0, 2, 3, 1]))
}

/// A convolution as matrix products, channels last throughout: the taps of a kernel's row laid side by side, and one
/// product added for each row of the kernel.
pub(super) fn conv2d_by_rows(
    x: &Operand,
    weight: &Operand,
    bias: Option<&Operand>,
    conv: Conv,
    shape: &Shape,
) -> Flat {
    let [kh, kw, inner, outer] = weight.dims();
    let [batch, tall, wide] = [shape[0], shape[1], shape[2]];
    let [top, bottom, left, right] = conv.pad;
    let x = x.exact::<4>();
    let x = if conv.pad == [0; 4] {
        x
    } else {
        x.pad(
            [(0, 0), (top, bottom), (left, right), (0, 0)],
            PadMode::Constant(0.0),
        )
    };
    let reach = |from: usize, count: usize, stride: usize| {
        let end = from + (count - 1) * stride + 1;
        Slice::new(from as isize, Some(end as isize), stride as isize)
    };
    let taps = (0..kw)
        .map(|dx| {
            x.clone()
                .slice_dim(2, reach(dx * conv.dilation[1], wide, conv.stride[1]))
        })
        .collect();
    let taps = Tensor::cat(taps, 3);
    let weight = weight.view([kh, kw * inner, outer]);
    let product = (0..kh)
        .map(|dy| {
            let rows = taps
                .clone()
                .slice_dim(1, reach(dy * conv.dilation[0], tall, conv.stride[0]));
            let rows = rows.reshape([batch, tall * wide, kw * inner]);
            rows.matmul(weight.clone().slice(s![dy..=dy]))
        })
        .reduce(|sum, product| sum + product)
        .expect("a kernel has at least one row");
    flatten(with_bias(product, bias))
}
