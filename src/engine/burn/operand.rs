//! A tensor on its way into an operation.
//!
//! burn fixes a tensor's rank in its type and ours is known when the program runs, so values are held flat, and an
//! operation takes each of its operands in the rank it works in. Reshaping a flat tensor moves nothing.

use burn::tensor::{Device, Tensor, TensorData};

use crate::engine::Shape;

/// Elements in row-major order; their shape travels beside them.
pub(super) type Flat = Tensor<1>;

/// The rank in which operations of any rank are done. Shapes of less grow axes of extent 1 in front.
pub(super) const RANK: usize = 6;

/// A tensor on its way into an operation.
pub(super) struct Operand<'a> {
    pub(super) flat: &'a Flat,
    pub(super) shape: &'a Shape,
}

impl Operand<'_> {
    /// The elements under extents of the same product.
    pub(super) fn view<const N: usize>(&self, dims: [usize; N]) -> Tensor<N> {
        self.flat.clone().reshape(dims)
    }

    /// The elements under their own shape, in [`RANK`] axes.
    pub(super) fn full(&self) -> Tensor<RANK> {
        self.view(dims(self.shape))
    }

    /// The elements as rows of the last axis.
    pub(super) fn rows(&self) -> Tensor<2> {
        self.view([self.shape.rows(), self.shape.last()])
    }

    /// The extents of a feature map, tokens or a kernel.
    pub(super) fn dims<const N: usize>(&self) -> [usize; N] {
        <[usize; N]>::try_from(&self.shape[..]).expect("the tensor's methods check ranks")
    }

    /// The elements of a feature map, tokens or a kernel.
    pub(super) fn exact<const N: usize>(&self) -> Tensor<N> {
        self.view(self.dims())
    }
}

/// Extents with axes of extent 1 in front.
pub(super) fn dims(shape: &[usize]) -> [usize; RANK] {
    let mut dims = [1; RANK];
    dims[lead(shape.len())..].copy_from_slice(shape);
    dims
}

/// How many axes [`dims`] puts in front of a shape of this rank.
pub(super) fn lead(rank: usize) -> usize {
    RANK.checked_sub(rank)
        .unwrap_or_else(|| panic!("a tensor of {rank} axes: burn's engine works in {RANK}"))
}

/// Elements of any shape, laid out in row-major order.
pub(super) fn flatten<const N: usize>(tensor: Tensor<N>) -> Flat {
    let elements = tensor.dims().iter().product::<usize>();
    tensor.reshape([elements])
}

/// Numbers from the host.
pub(super) fn from_host<const N: usize>(
    elements: Vec<f32>,
    dims: [usize; N],
    device: &Device,
) -> Tensor<N> {
    Tensor::from_data(TensorData::new(elements, dims), device)
}
