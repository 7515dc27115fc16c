//! Operations that move elements without changing them.

use std::ops::Range;

use super::{Shape, Tensor};
use crate::engine::op::{Op, PadMode, Rows};

impl Tensor {
    /// The same elements in the same order under another shape.
    ///
    /// # Panics
    /// When the shapes do not hold the same number of elements.
    #[must_use]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert_eq!(
            self.shape.elements(),
            shape.elements(),
            "reshape {:?} to {shape:?}",
            self.shape
        );
        if shape == self.shape {
            return self.clone();
        }
        Self::apply(&Op::Reshape(shape.clone()), &[self], shape)
    }

    /// Axis `i` of the result is axis `order[i]` of this.
    ///
    /// # Panics
    /// When `order` does not name every axis once.
    #[must_use]
    pub fn permute(&self, order: &[usize]) -> Self {
        let mut seen = order.to_vec();
        seen.sort_unstable();
        assert!(
            seen.iter().copied().eq(0..self.shape.rank()),
            "permute {:?} by {order:?}",
            self.shape
        );
        let shape: Vec<_> = order.iter().map(|&axis| self.shape[axis]).collect();
        Self::apply(&Op::Permute(order.to_vec()), &[self], shape.into())
    }

    /// The indices `range` of one axis.
    ///
    /// # Panics
    /// When the range is empty or leaves the axis.
    #[must_use]
    pub fn slice(&self, axis: usize, range: Range<usize>) -> Self {
        self.slice_by(axis, range, 1)
    }

    /// Every `step`-th of the indices `range` of one axis.
    ///
    /// # Panics
    /// When the range is empty or leaves the axis, or the step is 0.
    #[must_use]
    pub fn slice_by(&self, axis: usize, range: Range<usize>, step: usize) -> Self {
        assert!(
            step > 0 && range.start < range.end && range.end <= self.shape[axis],
            "slice {range:?} by {step} of axis {axis} of {:?}",
            self.shape
        );
        if range == (0..self.shape[axis]) && step == 1 {
            return self.clone();
        }
        let mut starts = vec![0; self.shape.rank()];
        let mut steps = vec![1; self.shape.rank()];
        let mut dims = self.shape.to_vec();
        starts[axis] = range.start;
        steps[axis] = step;
        dims[axis] = range.len().div_ceil(step);
        let shape = Shape::from(dims);
        Self::apply(
            &Op::Slice {
                starts,
                steps,
                shape: shape.clone(),
            },
            &[self],
            shape,
        )
    }

    /// Tensors laid end to end along an axis.
    ///
    /// # Panics
    /// When there are none, or another axis differs.
    #[must_use]
    pub fn concat(tensors: &[&Self], axis: usize) -> Self {
        let first = tensors.first().expect("at least one tensor to concatenate");
        if tensors.len() == 1 {
            return (*first).clone();
        }
        let mut dims = first.shape.to_vec();
        dims[axis] = 0;
        for tensor in tensors {
            for (other, dim) in dims.iter().enumerate().filter(|(other, _)| *other != axis) {
                assert_eq!(
                    tensor.shape[other], *dim,
                    "concat {:?} with {:?} along {axis}",
                    first.shape, tensor.shape
                );
            }
        }
        dims[axis] = tensors.iter().map(|tensor| tensor.shape[axis]).sum();
        Self::apply(&Op::Concat(axis), tensors, dims.into())
    }

    /// This, grown along each axis by `before[axis]` in front and `after[axis]` behind.
    ///
    /// # Panics
    /// When an axis is missing, or there is too little inside to reflect.
    #[must_use]
    pub fn pad(&self, before: &[usize], after: &[usize], mode: PadMode) -> Self {
        assert!(
            before.len() == self.shape.rank() && after.len() == self.shape.rank(),
            "pad {:?}",
            self.shape
        );
        let dims: Vec<_> = self
            .shape
            .iter()
            .zip(before.iter().zip(after))
            .map(|(d, (b, a))| d + b + a)
            .collect();
        if mode == PadMode::Reflect {
            let fits = self
                .shape
                .iter()
                .zip(before.iter().zip(after))
                .all(|(d, (b, a))| b < d && a < d);
            assert!(fits, "reflect {:?} by {before:?} and {after:?}", self.shape);
        }
        if dims == self.shape[..] {
            return self.clone();
        }
        let op = Op::Pad {
            before: before.to_vec(),
            after: after.to_vec(),
            mode,
        };
        Self::apply(&op, &[self], dims.into())
    }

    /// Axes of extent 1 repeated to the shape.
    ///
    /// # Panics
    /// When another axis differs.
    #[must_use]
    pub fn expand(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let fits = self.shape.rank() == shape.rank()
            && self
                .shape
                .iter()
                .zip(shape.iter())
                .all(|(a, b)| a == b || *a == 1);
        assert!(fits, "expand {:?} to {shape:?}", self.shape);
        if shape == self.shape {
            return self.clone();
        }
        Self::apply(&Op::Expand(shape.clone()), &[self], shape)
    }

    /// The rows named of a table.
    ///
    /// # Shapes
    /// - `self`: `[V, C]`
    /// - returns `[rows.len(), C]`
    ///
    /// # Panics
    /// When a row is not in the table.
    #[must_use]
    pub fn gather(&self, rows: &[u32]) -> Self {
        let [count, channels] = self.dims();
        assert!(
            rows.iter().all(|&row| (row as usize) < count),
            "a row outside a table of {count}"
        );
        Self::apply(
            &Op::Gather(Rows(rows.into())),
            &[self],
            [rows.len(), channels].into(),
        )
    }
}
