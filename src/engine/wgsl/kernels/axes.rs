//! Outer axes as kernels walk them: all but the last, merged where nothing tells them apart.

use crate::engine::{Shape, wgsl::step::row_quads};

/// Extents of some axes, and how far apart neighbours along them are in several tensors.
pub struct Axes {
    /// Extents, outermost first; at least one.
    pub dims: Vec<usize>,
    /// For each tensor, a stride for each axis.
    pub strides: Vec<Vec<usize>>,
}

impl Axes {
    /// Drops axes of extent 1, and merges an axis with the one inside it when every tensor steps over both as over one.
    pub fn merged(dims: &[usize], strides: &[Vec<usize>]) -> Self {
        let mut axes = Self {
            dims: Vec::new(),
            strides: vec![Vec::new(); strides.len()],
        };
        for axis in (0..dims.len()).rev().filter(|&axis| dims[axis] > 1) {
            let joins = axes.dims.first().is_some_and(|&inner| {
                let mut both = strides.iter().zip(&axes.strides);
                both.all(|(strides, merged)| strides[axis] == inner * merged[0])
            });
            if joins {
                axes.dims[0] *= dims[axis];
            } else {
                axes.dims.insert(0, dims[axis]);
                for (merged, strides) in axes.strides.iter_mut().zip(strides) {
                    merged.insert(0, strides[axis]);
                }
            }
        }
        if axes.dims.is_empty() {
            axes.dims.push(1);
            axes.strides.iter_mut().for_each(|strides| strides.push(0));
        }
        axes
    }

    /// How far a tensor's last index lies from its first when the outermost axis stands still.
    pub fn reach(&self, tensor: usize) -> usize {
        let inner = self.dims.iter().zip(&self.strides[tensor]).skip(1);
        inner.map(|(extent, stride)| (extent - 1) * stride).sum()
    }
}

/// Strides of a tensor's outer axes in quads.
pub fn outer_strides(shape: &Shape) -> Vec<usize> {
    let outer = shape.rank() - 1;
    let mut strides = vec![0; outer];
    let mut stride = row_quads(shape);
    for axis in (0..outer).rev() {
        strides[axis] = stride;
        stride *= shape[axis];
    }
    strides
}

/// The same, 0 where the extent is 1: such an axis is repeated.
pub fn repeated_strides(shape: &Shape) -> Vec<usize> {
    let mut strides = outer_strides(shape);
    for (stride, &extent) in strides.iter_mut().zip(shape.iter()) {
        if extent == 1 {
            *stride = 0;
        }
    }
    strides
}

/// Eight extents or strides as a uniform block holds them.
pub fn eight(values: &[usize]) -> [[u32; 4]; 2] {
    assert!(values.len() <= 8, "{} axes", values.len());
    let at = |i: usize| values.get(i).map_or(0, |&value| value as u32);
    [0, 4].map(|row| [0, 1, 2, 3].map(|lane| at(row + lane)))
}
