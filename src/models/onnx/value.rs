//! What flows between nodes, and the few operations that all others are made of.
//!
//! A value is known before there is a picture, or computed from it. What is done to known values is done on the host, so
//! an operation that is written with the methods here folds constants without a word about it.

use std::rc::Rc;

use super::{
    constant::{Constant, physical},
    fault::{Fallible, elements, need, wrong},
    host::{self, Element, Numbers, Reach, broadcast, pick, reach, strides},
    placed::{Placed, natural},
    scalar,
};
use crate::tensor::{Device, PadMode, Tensor, Unary};

pub use scalar::{Pair, Total};

/// What flows between nodes.
#[derive(Clone)]
pub enum Value {
    /// Known before there is a picture.
    Known(Rc<Constant>),
    /// Computed from the picture.
    Computed(Placed),
}

impl From<Constant> for Value {
    fn from(constant: Constant) -> Self {
        Self::Known(Rc::new(constant))
    }
}

impl From<Placed> for Value {
    fn from(placed: Placed) -> Self {
        Self::Computed(placed)
    }
}

impl Value {
    /// The extent along each axis, as the graph has them.
    pub(super) fn dims(&self) -> &[usize] {
        match self {
            Self::Known(constant) => constant.dims(),
            Self::Computed(placed) => placed.dims(),
        }
    }

    /// How many axes there are.
    pub(super) fn rank(&self) -> usize {
        self.dims().len()
    }

    /// How many elements there are.
    pub(super) fn count(&self) -> usize {
        self.dims().iter().product()
    }

    /// What its numbers mean.
    pub(super) fn element(&self) -> Element {
        match self {
            Self::Known(constant) => constant.element(),
            Self::Computed(placed) => placed.element(),
        }
    }

    /// The one number it is known to hold, when it is one.
    pub(super) fn single(&self) -> Option<f64> {
        match self {
            Self::Known(constant) => constant.single(),
            Self::Computed(_) => None,
        }
    }

    /// The numbers, when they are known.
    pub(super) fn known(&self) -> Option<&Rc<Constant>> {
        match self {
            Self::Known(constant) => Some(constant),
            Self::Computed(_) => None,
        }
    }

    /// On the device: a weight is brought there.
    pub(super) fn place(&self, device: &Device) -> Fallible<Placed> {
        match self {
            Self::Known(constant) => {
                let order = natural(self.rank());
                let tensor = constant.upload(&order, device)?;
                Ok(Placed::new(tensor, &order, constant.element()))
            }
            Self::Computed(placed) => Ok(placed.clone()),
        }
    }

    /// On the device with its axes in this order.
    pub(super) fn arranged(&self, order: &[usize], device: &Device) -> Fallible<Tensor> {
        match self {
            Self::Known(constant) => constant.upload(order, device),
            Self::Computed(placed) => Ok(placed.with_rank(order.len())?.arranged(order)),
        }
    }

    /// The same numbers, meaning something else.
    pub(super) fn meaning(&self, element: Element) -> Self {
        match self {
            same if same.element() == element => same.clone(),
            Self::Computed(placed) => placed.meaning(element).into(),
            Self::Known(constant) => {
                let numbers = match (constant.numbers(), element) {
                    (Numbers::Int(numbers), Element::Float) => {
                        Numbers::Float(numbers.iter().map(|&x| x as f32).collect())
                    }
                    (Numbers::Float(numbers), Element::Int | Element::Bool) => {
                        Numbers::Int(numbers.iter().map(|&x| x as i64).collect())
                    }
                    (numbers, _) => numbers.clone(),
                };
                Constant::new(constant.dims().to_vec(), element, numbers).into()
            }
        }
    }

    /// The same elements in row-major order under another shape.
    pub(super) fn reshape(&self, dims: &[usize]) -> Fallible<Self> {
        let count = elements(dims)?;
        need(count == self.count(), || {
            format!("makes {dims:?} of {:?}", self.dims())
        })?;
        Ok(match self {
            Self::Known(constant) => {
                let numbers = constant.numbers().clone();
                Constant::new(dims.to_vec(), constant.element(), numbers).into()
            }
            Self::Computed(placed) => placed.reshape(dims)?.into(),
        })
    }

    /// Axis `i` of the result is axis `axes[i]` of this.
    pub(super) fn permute(&self, axes: &[usize]) -> Fallible<Self> {
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        need(sorted.iter().copied().eq(0..self.rank()), || {
            format!("orders the axes of {:?} by {axes:?}", self.dims())
        })?;
        let Self::Known(constant) = self else {
            let Self::Computed(placed) = self else {
                unreachable!("a value is known or computed")
            };
            return Ok(placed.permute(axes).into());
        };
        let steps = strides(constant.dims());
        let reaches = axes
            .iter()
            .map(|&axis| reach(constant.dims()[axis], steps[axis]));
        picked(constant, &reaches.collect::<Vec<_>>(), 0.0)
    }

    /// The indices of one axis, each below its extent.
    pub(super) fn take(&self, axis: usize, indices: &[usize]) -> Fallible<Self> {
        match self {
            Self::Known(constant) => {
                let mut reaches = whole(constant.dims());
                let step = strides(constant.dims())[axis];
                reaches[axis] = indices.iter().map(|index| Some(index * step)).collect();
                picked(constant, &reaches, 0.0)
            }
            Self::Computed(placed) => {
                let indices: Reach = indices.iter().copied().map(Some).collect();
                Ok(placed.gather(axis, &indices)?.into())
            }
        }
    }

    /// `count` indices of one axis from `start` on.
    pub(super) fn slice(&self, axis: usize, start: usize, count: usize) -> Fallible<Self> {
        let indices: Vec<usize> = (start..start + count).collect();
        self.take(axis, &indices)
    }

    /// Laid end to end along an axis.
    pub(super) fn concat(values: &[Self], axis: usize) -> Fallible<Self> {
        let first = values[0].dims();
        for value in values {
            let fits = value.rank() == first.len()
                && (0..first.len())
                    .all(|other| other == axis || value.dims()[other] == first[other]);
            need(fits, || {
                format!("joins {first:?} and {:?} along axis {axis}", value.dims())
            })?;
        }
        let mut dims = first.to_vec();
        dims[axis] = values.iter().map(|value| value.dims()[axis]).sum();
        elements(&dims)?;
        let known: Option<Vec<_>> = values.iter().map(Self::known).collect();
        if let Some(known) = known {
            let parts: Vec<_> = known.iter().map(|x| (x.dims(), x.numbers())).collect();
            let numbers = host::concat(&parts, axis);
            return Ok(Constant::new(dims, values[0].element(), numbers).into());
        }
        // An empty list adds nothing.
        let parts: Vec<&Self> = values.iter().filter(|value| value.count() > 0).collect();
        let (order, device) = leading(&parts)?;
        let tensors = parts
            .iter()
            .map(|value| value.arranged(&order, &device))
            .collect::<Fallible<Vec<_>>>()?;
        let place = order.iter().position(|&other| other == axis);
        let joined = Tensor::concat(
            &tensors.iter().collect::<Vec<_>>(),
            place.expect("an order names every axis"),
        );
        Ok(Placed::new(joined, &order, values[0].element()).into())
    }

    /// With axes of extent 1 in front until there are `rank`.
    pub(super) fn with_rank(&self, rank: usize) -> Fallible<Self> {
        let more = rank.saturating_sub(self.rank());
        self.reshape(&[&vec![1; more], self.dims()].concat())
    }

    /// Axes of extent 1, and missing outer axes, repeated to the shape.
    pub(super) fn expand(&self, dims: &[usize]) -> Fallible<Self> {
        elements(dims)?;
        let value = self.with_rank(dims.len())?;
        let fits = value.rank() == dims.len()
            && value
                .dims()
                .iter()
                .zip(dims)
                .all(|(&a, &b)| a == b || a == 1);
        need(fits, || format!("repeats {:?} to {dims:?}", self.dims()))?;
        match &value {
            Self::Known(constant) => {
                let steps = strides(constant.dims());
                let reaches: Vec<_> = (0..dims.len())
                    .map(|axis| {
                        let single = constant.dims()[axis] == 1;
                        reach(dims[axis], if single { 0 } else { steps[axis] })
                    })
                    .collect();
                picked(constant, &reaches, 0.0)
            }
            Self::Computed(placed) => Ok(placed.expand(dims)?.into()),
        }
    }

    /// Grown along each axis; the border is zeros, mirrored or repeated.
    pub(super) fn pad(&self, before: &[usize], after: &[usize], mode: PadMode) -> Fallible<Self> {
        let dims = self.dims();
        for axis in 0..dims.len() {
            let (sides, extent) = (before[axis].max(after[axis]), dims[axis]);
            need(mode != PadMode::Reflect || sides < extent, || {
                format!("mirrors {sides} elements of an axis of {extent}")
            })?;
        }
        match self {
            Self::Known(constant) => {
                let steps = strides(dims);
                let reaches: Vec<_> = (0..dims.len())
                    .map(|axis| {
                        let count = before[axis] + dims[axis] + after[axis];
                        let inside = |index| inside(index, before[axis], dims[axis], mode);
                        (0..count)
                            .map(|index| inside(index).map(|at| at * steps[axis]))
                            .collect()
                    })
                    .collect();
                picked(constant, &reaches, 0.0)
            }
            Self::Computed(placed) => Ok(placed.pad(before, after, mode)?.into()),
        }
    }

    /// A function of each element.
    pub(super) fn unary(&self, function: Unary) -> Fallible<Self> {
        match self {
            Self::Known(constant) => scalar::unary(constant, function).map(Into::into),
            Self::Computed(placed) => Ok(placed.like(placed.tensor().unary(function)).into()),
        }
    }

    /// `self * scale + shift`
    pub(super) fn affine(&self, scale: f64, shift: f64) -> Fallible<Self> {
        match self {
            Self::Known(constant) => scalar::affine(constant, scale, shift).map(Into::into),
            Self::Computed(placed) => Ok(placed.like(placed.tensor().affine(scale, shift)).into()),
        }
    }

    /// Each element limited to `low..=high`.
    pub(super) fn clamp(&self, low: f64, high: f64) -> Fallible<Self> {
        match self {
            Self::Known(constant) => scalar::clamp(constant, low, high).map(Into::into),
            Self::Computed(placed) => {
                let limits = [low, high].map(|limit| (limit as f32).clamp(f32::MIN, f32::MAX));
                let tensor = placed.tensor().clamp(limits[0], limits[1]);
                Ok(placed.like(tensor).into())
            }
        }
    }

    /// With as many axes as other operands have; a weight gets them when it is brought to the device.
    fn ranked(&self, rank: usize) -> Fallible<Self> {
        match self {
            Self::Known(_) => Ok(self.clone()),
            Self::Computed(_) => self.with_rank(rank),
        }
    }

    /// A function of two elements; axes of extent 1 are repeated.
    pub(super) fn pair(&self, other: &Self, function: Pair) -> Fallible<Self> {
        let dims = broadcast(self.dims(), other.dims())?;
        elements(&dims)?;
        let element = function.element(self.element(), other.element());
        if let (Self::Known(_), Self::Known(_)) = (self, other) {
            let [x, y] = [self.expand(&dims)?, other.expand(&dims)?];
            if let (Self::Known(x), Self::Known(y)) = (&x, &y) {
                let numbers = scalar::pair(x, y, function)?;
                return Ok(Constant::new(dims, element, numbers).into());
            }
        }
        if let Some(folded) = self.by_number(other, function, &dims)? {
            return Ok(folded.meaning(element));
        }
        let [x, y] = [self.ranked(dims.len())?, other.ranked(dims.len())?];
        let (order, device) = leading(&[&x, &y])?;
        let [x, y] = [x.arranged(&order, &device)?, y.arranged(&order, &device)?];
        let both_whole = self.element() != Element::Float && other.element() != Element::Float;
        let tensor = scalar::apply(&x, &y, function, both_whole);
        Ok(Placed::new(tensor, &order, element).into())
    }

    /// A sum, difference or product with a single known number, which needs no second tensor.
    fn by_number(&self, other: &Self, function: Pair, dims: &[usize]) -> Fallible<Option<Self>> {
        let (x, number, swapped) = match (self.single(), other.single()) {
            (_, Some(number)) if self.dims() == dims => (self, number, false),
            (Some(number), _) if other.dims() == dims => (other, number, true),
            _ => return Ok(None),
        };
        let [scale, shift] = match function {
            Pair::Add => [1.0, number],
            Pair::Sub if swapped => [-1.0, number],
            Pair::Sub => [1.0, -number],
            Pair::Mul => [number, 0.0],
            _ => return Ok(None),
        };
        x.affine(scale, shift).map(Some)
    }

    /// `x` where this is not 0, else `y`; axes of extent 1 are repeated.
    pub(super) fn select(&self, x: &Self, y: &Self) -> Fallible<Self> {
        let dims = broadcast(self.dims(), &broadcast(x.dims(), y.dims())?)?;
        elements(&dims)?;
        if let (Self::Known(_), Self::Known(_), Self::Known(_)) = (self, x, y) {
            let parts = [self.expand(&dims)?, x.expand(&dims)?, y.expand(&dims)?];
            if let [Self::Known(mask), Self::Known(x), Self::Known(y)] = &parts {
                let numbers = scalar::select(mask, x, y);
                return Ok(Constant::new(dims, x.element(), numbers).into());
            }
        }
        let parts = [self, x, y].map(|value| value.ranked(dims.len()));
        let [mask, x, y] = parts;
        let parts = [mask?, x?, y?];
        let (order, device) = leading(&parts.each_ref())?;
        let [mask, x, y] = parts
            .each_ref()
            .map(|value| value.arranged(&order, &device));
        let tensor = mask?.select(&x?, &y?);
        Ok(Placed::new(tensor, &order, parts[1].element()).into())
    }

    /// Combined along axes, which stay with extent 1.
    pub(super) fn total(&self, axes: &[usize], total: Total) -> Fallible<Self> {
        need(self.count() > 0, || {
            format!("reduces {:?}, which has no elements", self.dims())
        })?;
        match self {
            Self::Known(constant) => {
                let mut dims = constant.dims().to_vec();
                for &axis in axes {
                    dims[axis] = 1;
                }
                let numbers = scalar::total(constant, axes, total);
                Ok(Constant::new(dims, constant.element(), numbers).into())
            }
            Self::Computed(placed) => {
                let places: Vec<usize> = axes.iter().map(|&axis| placed.place_of(axis)).collect();
                let x = placed.tensor();
                let tensor = match total {
                    _ if places.is_empty() => x.clone(),
                    Total::Sum => x.sum(&places),
                    Total::Mean => x.mean(&places),
                    Total::Max => x.greatest(&places),
                    Total::Min => x.least(&places),
                    Total::Product => return self.product(axes),
                };
                Ok(Placed::new(tensor, placed.order(), placed.element()).into())
            }
        }
    }

    /// Multiplied along axes, one slice after the other.
    fn product(&self, axes: &[usize]) -> Fallible<Self> {
        let mut result = self.clone();
        for &axis in axes {
            let extent = result.dims()[axis];
            let mut product = result.slice(axis, 0, 1)?;
            for index in 1..extent {
                product = product.pair(&result.slice(axis, index, 1)?, Pair::Mul)?;
            }
            result = product;
        }
        Ok(result)
    }

    /// Without axes of extent 1.
    pub(super) fn squeeze(&self, axes: &[usize]) -> Fallible<Self> {
        for &axis in axes {
            need(self.dims()[axis] == 1, || {
                format!("drops axis {axis} of {:?}", self.dims())
            })?;
        }
        let kept = (0..self.rank()).filter(|axis| !axes.contains(axis));
        let dims: Vec<usize> = kept.map(|axis| self.dims()[axis]).collect();
        self.reshape(&dims)
    }

    /// With its axis moved to the end of the tensor, where softmax and products work.
    pub(super) fn with_last(&self, axis: usize, device: &Device) -> Fallible<Placed> {
        let placed = self.place(device)?;
        let mut order = placed.order().to_vec();
        if order.last() != Some(&axis) {
            order.retain(|&other| other != axis);
            order.push(axis);
        }
        let tensor = placed.arranged(&order);
        Ok(Placed::new(tensor, &order, placed.element()))
    }

    /// In the graph's own order on the device, as outputs are handed over.
    pub(super) fn output(&self, device: &Device) -> Fallible<Tensor> {
        need(self.count() > 0, || "has no elements".to_owned())?;
        let tensor = self.place(device)?.natural();
        Ok(tensor.reshape(physical(self.dims().to_vec())))
    }
}

/// The order in which most of the elements of several operands lie, and their device.
fn leading(values: &[&Value]) -> Fallible<(Vec<usize>, Device)> {
    let computed = values.iter().filter_map(|value| match value {
        Value::Computed(placed) => Some(placed),
        Value::Known(_) => None,
    });
    match computed.max_by_key(|placed| placed.tensor().shape().elements()) {
        Some(placed) => Ok((placed.order().to_vec(), placed.tensor().device().clone())),
        None => wrong("has no operand that depends on the picture"),
    }
}

fn whole(dims: &[usize]) -> Vec<Reach> {
    let steps = strides(dims);
    dims.iter()
        .zip(steps)
        .map(|(&dim, step)| reach(dim, step))
        .collect()
}

fn picked(constant: &Constant, reaches: &[Reach], fill: f64) -> Fallible<Value> {
    let numbers = pick(constant.numbers(), reaches, fill)?;
    let dims = reaches.iter().map(Vec::len).collect();
    Ok(Constant::new(dims, constant.element(), numbers).into())
}

/// Where an index of a padded axis lies inside; nowhere in a border of zeros.
fn inside(index: usize, before: usize, extent: usize, mode: PadMode) -> Option<usize> {
    let at = index as i64 - before as i64;
    let last = extent as i64 - 1;
    let found = match mode {
        PadMode::Zero => return usize::try_from(at).ok().filter(|&at| at < extent),
        PadMode::Edge => at.clamp(0, last),
        PadMode::Reflect if at < 0 => -at,
        PadMode::Reflect if at > last => 2 * last - at,
        PadMode::Reflect => at,
    };
    Some(found as usize)
}
