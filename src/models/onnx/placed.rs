//! A tensor on the device under the shape that the graph means.
//!
//! ONNX writes feature maps `[B, C, h, w]`, and engines want channels last. So a tensor remembers which of the graph's
//! axes each of its own is: a convolution's result lies `[B, h, w, C]` and is called `[B, C, h, w]`. Permuting it is then a
//! change of names, and numbers are moved only where an operation needs another order than they lie in.

use super::{
    constant::physical,
    fault::{Fallible, elements, need},
    host::{Element, Reach},
};
use crate::tensor::{PadMode, Tensor};

/// As many axes as every engine works in.
const MOST_AXES: usize = 6;

/// A tensor on the device.
#[derive(Clone)]
pub struct Placed {
    tensor: Tensor,
    dims: Vec<usize>,
    /// Axis `i` of the tensor is the graph's axis `order[i]`.
    order: Vec<usize>,
    element: Element,
}

/// The axes in the graph's own order.
pub fn natural(rank: usize) -> Vec<usize> {
    (0..rank).collect()
}

/// A feature map's axes with the channels last, whatever their number.
pub fn channels_last(rank: usize) -> Vec<usize> {
    let spatial = 2..rank;
    std::iter::once(0).chain(spatial).chain([1]).collect()
}

impl Placed {
    /// A tensor whose axis `i` is the graph's axis `order[i]`.
    pub fn new(tensor: Tensor, order: &[usize], element: Element) -> Self {
        let mut dims = vec![1; order.len()];
        for (&axis, &extent) in order.iter().zip(tensor.shape().iter()) {
            dims[axis] = extent;
        }
        Self {
            tensor,
            dims,
            order: order.to_vec(),
            element,
        }
    }

    /// The extent along each of the graph's axes.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The order that it lies in.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// What its numbers mean.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The tensor as it lies.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The same numbers, meaning something else.
    pub fn meaning(&self, element: Element) -> Self {
        Self {
            element,
            ..self.clone()
        }
    }

    /// Another tensor of the same shape in the same order.
    pub fn like(&self, tensor: Tensor) -> Self {
        Self {
            tensor,
            ..self.clone()
        }
    }

    /// Which of the tensor's axes a graph's axis is.
    pub fn place_of(&self, axis: usize) -> usize {
        let found = self.order.iter().position(|&place| place == axis);
        found.expect("an order names every axis")
    }

    /// The tensor in another order of axes. Numbers move only when more than axes of extent 1 do.
    pub fn arranged(&self, order: &[usize]) -> Tensor {
        if order == self.order {
            return self.tensor.clone();
        }
        let moving = |order: &[usize]| -> Vec<usize> {
            let axes = order.iter().copied();
            axes.filter(|&axis| self.dims[axis] != 1).collect()
        };
        if moving(order) == moving(&self.order) {
            let dims = order.iter().map(|&axis| self.dims[axis]);
            return self.tensor.reshape(physical(dims.collect()));
        }
        let places: Vec<usize> = order.iter().map(|&axis| self.place_of(axis)).collect();
        self.tensor.permute(&places)
    }

    /// The tensor in the graph's own order.
    pub fn natural(&self) -> Tensor {
        self.arranged(&natural(self.dims.len()))
    }

    /// Axis `i` of the result is axis `axes[i]` of this: only names change.
    pub fn permute(&self, axes: &[usize]) -> Self {
        let mut renamed = vec![0; axes.len()];
        for (new, &old) in axes.iter().enumerate() {
            renamed[old] = new;
        }
        Self {
            dims: axes.iter().map(|&axis| self.dims[axis]).collect(),
            order: self.order.iter().map(|&axis| renamed[axis]).collect(),
            ..self.clone()
        }
    }

    /// The same elements in the graph's row-major order under another shape of as many.
    pub fn reshape(&self, dims: &[usize]) -> Fallible<Self> {
        need(dims.len() <= MOST_AXES, || {
            format!(
                "makes a tensor of {} axes; there may be {MOST_AXES}",
                dims.len()
            )
        })?;
        if let Some(order) = self.regrouped(dims) {
            let shape = order.iter().map(|&axis| dims[axis]).collect();
            let tensor = self.tensor.reshape(physical(shape));
            return Ok(Self {
                tensor,
                dims: dims.to_vec(),
                order,
                element: self.element,
            });
        }
        let tensor = self.natural().reshape(physical(dims.to_vec()));
        Ok(Self::new(tensor, &natural(dims.len()), self.element))
    }

    /// The order in which the elements lie under another shape, when they need not move: each group of axes that is
    /// split or merged lies together.
    fn regrouped(&self, dims: &[usize]) -> Option<Vec<usize>> {
        let [mut old, mut new] = [&self.dims[..], dims].map(|dims| {
            let long = |&axis: &usize| dims[axis] != 1;
            (0..dims.len()).filter(long).peekable()
        });
        let mut groups: Vec<[Vec<usize>; 2]> = Vec::new();
        while old.peek().is_some() {
            let first = old.next()?;
            let mut group = [vec![first], vec![new.next()?]];
            let mut extents = [self.dims[first], dims[group[1][0]]];
            while extents[0] != extents[1] {
                let (side, axis) = if extents[0] < extents[1] {
                    (0, old.next()?)
                } else {
                    (1, new.next()?)
                };
                extents[side] *= if side == 0 {
                    self.dims[axis]
                } else {
                    dims[axis]
                };
                group[side].push(axis);
            }
            groups.push(group);
        }
        // Axes of extent 1 lie in front, where they cost nothing.
        let mut order: Vec<usize> = (0..dims.len()).filter(|&axis| dims[axis] == 1).collect();
        let mut lying = self.order.iter().filter(|&&axis| self.dims[axis] != 1);
        while let Some(&first) = lying.next() {
            let [from, to] = groups.iter().find(|[from, _]| from[0] == first)?;
            if !from[1..].iter().all(|axis| lying.next() == Some(axis)) {
                return None;
            }
            order.extend(to);
        }
        Some(order)
    }

    /// With axes of extent 1 in front until there are `rank`.
    pub fn with_rank(&self, rank: usize) -> Fallible<Self> {
        let more = rank - self.dims.len();
        if more == 0 {
            return Ok(self.clone());
        }
        self.reshape(&[&vec![1; more], &self.dims[..]].concat())
    }

    /// Axes of extent 1 repeated to a shape of as many axes.
    pub fn expand(&self, dims: &[usize]) -> Fallible<Self> {
        elements(dims)?;
        let shape: Vec<usize> = self.order.iter().map(|&axis| dims[axis]).collect();
        Ok(Self {
            tensor: self.tensor.expand(physical(shape)),
            dims: dims.to_vec(),
            ..self.clone()
        })
    }

    /// The indices of one axis that a reach leads to, which are indices here.
    pub fn gather(&self, axis: usize, indices: &Reach) -> Fallible<Self> {
        let indices: Vec<usize> = indices.iter().copied().flatten().collect();
        need(!indices.is_empty(), || {
            "makes a tensor of no elements".to_owned()
        })?;
        let mut dims = self.dims.clone();
        dims[axis] = indices.len();
        elements(&dims)?;
        let Some(step) = step(&indices) else {
            return Ok(self.rows(axis, &indices, dims));
        };
        let range = indices[0]..indices[indices.len() - 1] + 1;
        Ok(Self {
            tensor: self.tensor.slice_by(self.place_of(axis), range, step),
            dims,
            ..self.clone()
        })
    }

    /// Any indices of one axis, by way of a table whose rows they are.
    fn rows(&self, axis: usize, indices: &[usize], dims: Vec<usize>) -> Self {
        let others = self.order.iter().copied().filter(|&other| other != axis);
        let order: Vec<usize> = std::iter::once(axis).chain(others).collect();
        let extent = self.dims[axis];
        let rest = self.tensor.shape().elements() / extent;
        let rows: Vec<u32> = indices.iter().map(|&index| index as u32).collect();
        let table = self.arranged(&order).reshape([extent, rest]).gather(&rows);
        let shape = order.iter().map(|&axis| dims[axis]).collect();
        Self {
            tensor: table.reshape(physical(shape)),
            dims,
            order,
            element: self.element,
        }
    }

    /// Grown along each axis.
    pub fn pad(&self, before: &[usize], after: &[usize], mode: PadMode) -> Fallible<Self> {
        let dims: Vec<usize> = (0..self.dims.len())
            .map(|axis| self.dims[axis] + before[axis] + after[axis])
            .collect();
        elements(&dims)?;
        let [before, after] = [before, after].map(|sides| {
            self.order
                .iter()
                .map(|&axis| sides[axis])
                .collect::<Vec<_>>()
        });
        Ok(Self {
            tensor: self.tensor.pad(&before, &after, mode),
            dims,
            ..self.clone()
        })
    }
}

/// The distance of indices that ascend evenly.
fn step(indices: &[usize]) -> Option<usize> {
    let step = match indices {
        [first, second, ..] => second.checked_sub(*first).filter(|&step| step > 0)?,
        _ => 1,
    };
    let even = indices.windows(2).all(|pair| pair[1] == pair[0] + step);
    even.then_some(step)
}
