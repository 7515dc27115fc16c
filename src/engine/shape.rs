//! The extent of a tensor along each axis.

use std::{fmt, ops::Deref};

/// The extent of a tensor along each axis, outermost first; the last axis is contiguous.
///
/// A scalar is `[1]`: there is no rank 0.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// How many elements there are.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }

    /// How many axes there are.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The extent of the last axis: channels of a feature map, features of a token.
    pub fn last(&self) -> usize {
        self.0[self.0.len() - 1]
    }

    /// How many rows there are when everything but the last axis is flattened.
    pub fn rows(&self) -> usize {
        self.elements() / self.last().max(1)
    }

    /// The same shape with another last axis.
    #[must_use]
    pub fn with_last(&self, last: usize) -> Self {
        let outer = &self.0[..self.rank() - 1];
        Self([outer, &[last]].concat())
    }

    /// How far apart neighbours along each axis are, in elements, when nothing is padded.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.rank()];
        for axis in (0..self.rank().saturating_sub(1)).rev() {
            strides[axis] = strides[axis + 1] * self.0[axis + 1];
        }
        strides
    }
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        assert!(!dims.is_empty(), "a shape has at least one axis");
        Self(dims.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        assert!(!dims.is_empty(), "a shape has at least one axis");
        Self(dims)
    }
}

impl<const RANK: usize> From<[usize; RANK]> for Shape {
    fn from(dims: [usize; RANK]) -> Self {
        Self::from(&dims[..])
    }
}
