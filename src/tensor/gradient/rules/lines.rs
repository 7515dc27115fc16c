//! Linear maps along one axis.

use crate::tensor::Tensor;

/// A matrix `[to, from]`, row-major, applied along an axis of extent `from`.
pub fn along(x: &Tensor, axis: usize, to: usize, matrix: Vec<f32>) -> Tensor {
    let rank = x.shape().rank();
    let from = x.shape()[axis];
    let matrix = x.device().tensor([to, from], matrix);
    let last = rank - 1;
    if axis == last && rank > 1 {
        return x.matmul_transposed(&matrix, None);
    }
    if rank == 1 {
        let row = x.reshape([1, from]);
        return row.matmul_transposed(&matrix, None).reshape([to]);
    }
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(axis, last);
    let product = x.permute(&order).matmul_transposed(&matrix, None);
    product.permute(&order)
}
