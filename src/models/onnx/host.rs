//! Numbers whose values are known before there is a picture: weights, and the arithmetic of shapes.

use super::fault::{Fallible, elements, need, wrong};

/// What numbers mean. Devices hold them all as floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Real numbers, of any width in the file.
    Float,
    /// Whole numbers, of any width and sign in the file.
    Int,
    /// 0 or 1.
    Bool,
}

/// Numbers in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Real ones.
    Float(Vec<f32>),
    /// Whole ones, and truths.
    Int(Vec<i64>),
}

impl Numbers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Float(numbers) => numbers.len(),
            Self::Int(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them as a device takes them.
    pub fn floats(&self) -> Vec<f32> {
        match self {
            Self::Float(numbers) => numbers.clone(),
            Self::Int(numbers) => numbers.iter().map(|&x| x as f32).collect(),
        }
    }

    /// None of them, of the same kind.
    fn none(&self) -> Self {
        match self {
            Self::Float(_) => Self::Float(Vec::new()),
            Self::Int(_) => Self::Int(Vec::new()),
        }
    }

    fn append(&mut self, other: &Self, range: std::ops::Range<usize>) {
        match (self, other) {
            (Self::Float(to), Self::Float(from)) => to.extend_from_slice(&from[range]),
            (Self::Int(to), Self::Int(from)) => to.extend_from_slice(&from[range]),
            (Self::Float(to), Self::Int(from)) => {
                to.extend(from[range].iter().map(|&x| x as f32));
            }
            (Self::Int(to), Self::Float(from)) => {
                to.extend(from[range].iter().map(|&x| x as i64));
            }
        }
    }
}

/// How far apart neighbours along each axis are.
pub fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (0..dims.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * dims[axis + 1];
    }
    strides
}

/// For one axis of a result: how far into the source each of its indices reaches, or nothing where a border is.
pub type Reach = Vec<Option<usize>>;

/// The indices of one axis, as they are in the source.
pub fn reach(count: usize, stride: usize) -> Reach {
    (0..count).map(|index| Some(index * stride)).collect()
}

/// Builds a result element by element: each is where the reaches of its indices lead in the source, or `fill` where one leads
/// nowhere. Permuting, slicing, repeating, padding and gathering are all this.
pub fn pick(source: &Numbers, axes: &[Reach], fill: f64) -> Fallible<Numbers> {
    let dims: Vec<usize> = axes.iter().map(Vec::len).collect();
    let count = elements(&dims)?;
    let mut places = Vec::with_capacity(count);
    let mut at = vec![0; dims.len()];
    for _ in 0..count {
        let place = axes
            .iter()
            .zip(&at)
            .try_fold(0, |sum, (axis, &index)| Some(sum + axis[index]?));
        places.push(place);
        advance(&mut at, &dims);
    }
    Ok(match source {
        Numbers::Float(from) => Numbers::Float(
            places
                .into_iter()
                .map(|place| place.map_or(fill as f32, |at| from[at]))
                .collect(),
        ),
        Numbers::Int(from) => Numbers::Int(
            places
                .into_iter()
                .map(|place| place.map_or(fill as i64, |at| from[at]))
                .collect(),
        ),
    })
}

/// The next index in row-major order.
fn advance(at: &mut [usize], dims: &[usize]) {
    for axis in (0..dims.len()).rev() {
        at[axis] += 1;
        if at[axis] < dims[axis] {
            return;
        }
        at[axis] = 0;
    }
}

/// Laid end to end along an axis.
pub fn concat(parts: &[(&[usize], &Numbers)], axis: usize) -> Numbers {
    let (dims, first) = parts[0];
    let outer: usize = dims[..axis].iter().product();
    let mut joined = first.none();
    for row in 0..outer {
        for (dims, numbers) in parts {
            let length: usize = dims[axis..].iter().product();
            joined.append(numbers, row * length..(row + 1) * length);
        }
    }
    joined
}

/// The shape of two operands whose axes of extent 1, and missing outer axes, are repeated.
pub fn broadcast(a: &[usize], b: &[usize]) -> Fallible<Vec<usize>> {
    let rank = a.len().max(b.len());
    let [x, y] = [a, b].map(|dims| [&vec![1; rank - dims.len()], dims].concat());
    let pairs = x.iter().zip(&y);
    let dims = pairs.map(|(&x, &y)| match (x, y) {
        (1, y) => Some(y),
        (x, 1) => Some(x),
        (x, y) => (x == y).then_some(x),
    });
    match dims.collect() {
        Some(dims) => Ok(dims),
        None => wrong(format!("combines {a:?} with {b:?}, which do not fit")),
    }
}

/// Folds each run of elements that differ along `axes` only.
pub fn reduce(
    numbers: &[f64],
    dims: &[usize],
    axes: &[usize],
    start: f64,
    fold: impl Fn(f64, f64) -> f64,
) -> Vec<f64> {
    let kept: Vec<usize> = (0..dims.len())
        .map(|axis| if axes.contains(&axis) { 1 } else { dims[axis] })
        .collect();
    let mut result = vec![start; kept.iter().product()];
    let steps: Vec<usize> = strides(&kept)
        .into_iter()
        .zip(&kept)
        .map(|(stride, &extent)| if extent == 1 { 0 } else { stride })
        .collect();
    let mut at = vec![0; dims.len()];
    for &number in numbers {
        let place: usize = at
            .iter()
            .zip(&steps)
            .map(|(index, step)| index * step)
            .sum();
        result[place] = fold(result[place], number);
        advance(&mut at, dims);
    }
    result
}

/// An axis as ONNX counts it, from the end when negative.
pub fn axis(axis: i64, rank: usize) -> Fallible<usize> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    need((0..rank as i64).contains(&counted), || {
        format!("names axis {axis} of a tensor of {rank} axes")
    })?;
    Ok(counted as usize)
}
