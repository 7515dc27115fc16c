//! Matrix products.

use burn::tensor::Tensor;

use super::operand::{Flat, Operand, flatten};

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

/// The row added to each row of a product.
pub(super) fn with_bias(product: Tensor<3>, bias: Option<&Operand>) -> Tensor<3> {
    match bias {
        Some(bias) => product + bias.view([1, 1, bias.shape.last()]),
        None => product,
    }
}
