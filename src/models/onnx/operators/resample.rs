//! Resampling along axes: where new elements lie in the old ones, and what they are made of.

use super::super::{
    call::Call,
    constant::Constant,
    fault::{Fallible, elements, need},
    host::{self, Element},
    placed::{Placed, channels_last},
    value::{Pair, Value},
};
use crate::tensor::Interpolation;

/// Where a new element lies in the old ones.
#[derive(Clone, Copy, PartialEq)]
pub enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    /// Only up to version 12.
    HalfPixelForNearest,
    /// Of the part between two shares of the axis.
    Crop([f64; 2]),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    Nearest(Rounding),
    Linear,
    Cubic { a: f64 },
}

#[derive(Clone, Copy, PartialEq)]
pub enum Rounding {
    HalfDown,
    HalfUp,
    Floor,
    Ceil,
}

/// How one axis is resampled.
#[derive(Clone, Copy)]
pub struct Axis {
    pub from: usize,
    pub to: usize,
    pub scale: f64,
    pub coordinates: Coordinates,
    pub mode: Mode,
    pub exclude_outside: bool,
    pub antialias: bool,
    pub extrapolation: f64,
}

/// Resampled along every axis.
pub fn resampled(call: &Call, x: &Value, axes: &[Axis]) -> Fallible<Value> {
    let dims: Vec<usize> = axes.iter().map(|axis| axis.to).collect();
    elements(&dims)?;
    if let Some(made) = by_engine(call, x, axes)? {
        return Ok(made);
    }
    let purposes = ["axis 0", "axis 1", "axis 2", "axis 3", "axis 4", "axis 5"];
    let mut value = x.clone();
    for (at, axis) in axes.iter().enumerate() {
        if axis.changes_nothing() {
            continue;
        }
        if let Some(indices) = axis.nearest() {
            value = value.take(at, &indices)?;
            continue;
        }
        need(axis.from * axis.to <= 1 << 24, || {
            format!("resamples {} elements to {}", axis.from, axis.to)
        })?;
        need(at < purposes.len(), || format!("resamples {:?}", x.dims()))?;
        let weights = call.derive(purposes[at], || {
            Ok(Constant::floats(vec![axis.from, axis.to], axis.matrix()?))
        })?;
        let placed = value.with_last(at, call.device)?;
        let weights = weights.arranged(&[0, 1], call.device)?;
        let made = placed.tensor().matmul(&weights, None);
        value = Placed::new(made, placed.order(), Element::Float).into();
    }
    extrapolated(call, &value, axes)
}

/// With a number instead of the zeros that a crop leaves outside.
fn extrapolated(call: &Call, value: &Value, axes: &[Axis]) -> Fallible<Value> {
    let number = axes.first().map_or(0.0, |axis| axis.extrapolation);
    let outside = |axis: &Axis| {
        let places = (0..axis.to).map(|index| axis.place(index));
        places
            .map(|place| axis.is_outside(place))
            .collect::<Vec<_>>()
    };
    let outside: Vec<Vec<bool>> = axes.iter().map(outside).collect();
    if number == 0.0 || outside.iter().flatten().all(|outside| !outside) {
        return Ok(value.clone());
    }
    let beyond = call.derive("beyond", || {
        let dims = value.dims().to_vec();
        let steps = host::strides(&dims);
        let at = |place: usize| {
            let is_out = |axis: usize| outside[axis][place / steps[axis] % dims[axis]];
            if (0..dims.len()).any(is_out) {
                number as f32
            } else {
                0.0
            }
        };
        let numbers = (0..elements(&dims)?).map(at).collect();
        Ok(Constant::floats(dims, numbers))
    })?;
    value.pair(&beyond, Pair::Add)
}

/// What the engines resample by themselves.
fn by_engine(call: &Call, x: &Value, axes: &[Axis]) -> Fallible<Option<Value>> {
    let [batch, channels, tall, wide] = axes else {
        return Ok(None);
    };
    let plain = |axis: &Axis| (axis.scale - axis.to as f64 / axis.from as f64).abs() < 1e-9;
    let centred = |axis: &Axis| {
        plain(axis)
            && !axis.exclude_outside
            && !axis.antialias
            && match axis.coordinates {
                Coordinates::HalfPixel => true,
                Coordinates::PytorchHalfPixel => axis.to > 1,
                _ => false,
            }
    };
    let both = |of: &dyn Fn(&Axis) -> bool| of(tall) && of(wide);
    let interpolation = match tall.mode {
        Mode::Nearest(_) if both(&|axis| axis.is_floor()) => Interpolation::Nearest,
        Mode::Linear if both(&centred) => Interpolation::Bilinear,
        Mode::Cubic { a } if is(a, -0.75) && both(&centred) => Interpolation::Bicubic,
        _ => return Ok(None),
    };
    if !(batch.changes_nothing() && channels.changes_nothing()) {
        return Ok(None);
    }
    let order = channels_last(4);
    let map = x.arranged(&order, call.device)?;
    let made = map.resize([tall.to, wide.to], interpolation, false);
    Ok(Some(Placed::new(made, &order, x.element()).into()))
}

#[expect(
    clippy::float_cmp,
    reason = "a number that is written in the file, or none of it"
)]
fn is(number: f64, written: f64) -> bool {
    number == written
}

impl Axis {
    fn changes_nothing(&self) -> bool {
        self.to == self.from
            && is(self.scale, 1.0)
            && !matches!(self.coordinates, Coordinates::Crop(_))
    }

    /// Where a new element lies in the old ones.
    fn place(&self, index: usize) -> f64 {
        let [at, from, to] = [index, self.from, self.to].map(|x| x as f64);
        match self.coordinates {
            Coordinates::PytorchHalfPixel | Coordinates::AlignCorners if self.to == 1 => 0.0,
            Coordinates::HalfPixel | Coordinates::PytorchHalfPixel => (at + 0.5) / self.scale - 0.5,
            Coordinates::HalfPixelSymmetric => {
                let adjustment = to / (self.scale * from);
                let centre = from / 2.0;
                centre * (1.0 - adjustment) + (at + 0.5) / self.scale - 0.5
            }
            // The standard counts the new length before it is rounded down.
            Coordinates::AlignCorners => at * (from - 1.0) / (from * self.scale - 1.0),
            Coordinates::Asymmetric => at / self.scale,
            Coordinates::HalfPixelForNearest => (at + 0.5) / self.scale,
            Coordinates::Crop([start, end]) if self.to > 1 => {
                start * (from - 1.0) + at * (end - start) * (from - 1.0) / (to - 1.0)
            }
            Coordinates::Crop([start, end]) => 0.5 * (start + end) * (from - 1.0),
        }
    }

    /// Whether a crop reaches beyond the elements here.
    fn is_outside(&self, place: f64) -> bool {
        matches!(self.coordinates, Coordinates::Crop(_))
            && !(0.0..=(self.from - 1) as f64).contains(&place)
    }

    /// The old elements that new ones are, when each is one.
    fn nearest(&self) -> Option<Vec<usize>> {
        let Mode::Nearest(rounding) = self.mode else {
            return None;
        };
        let last = (self.from - 1) as f64;
        let places = (0..self.to).map(|index| self.place(index));
        let nearest = |place: f64| match rounding {
            Rounding::HalfDown => (place - 0.5).ceil(),
            Rounding::HalfUp => (place + 0.5).floor(),
            Rounding::Floor => place.floor(),
            Rounding::Ceil => place.ceil(),
        };
        let inside = places.map(|place| {
            (!self.is_outside(place)).then(|| nearest(place).clamp(0.0, last) as usize)
        });
        inside.collect()
    }

    /// Whether new elements are those that the engines' nearest neighbours are.
    fn is_floor(&self) -> bool {
        let floor = |index: usize| index * self.from / self.to;
        self.nearest()
            .is_some_and(|indices| indices.into_iter().eq((0..self.to).map(floor)))
    }

    /// The weights of old elements in new ones, `[from, to]`.
    fn matrix(&self) -> Fallible<Vec<f32>> {
        let mut weights = vec![0.0; elements(&[self.from, self.to])?];
        // Shrinking, a filter without aliases is as much wider.
        let width = if self.antialias {
            (1.0 / self.scale).max(1.0)
        } else {
            1.0
        };
        for index in 0..self.to {
            let place = self.place(index);
            if self.is_outside(place) {
                continue;
            }
            let radius = self.radius() * width;
            let taps = (place - radius).floor() as i64..=(place + radius).ceil() as i64;
            let mut row: Vec<(i64, f64)> = taps
                .map(|tap| (tap, self.weight((tap as f64 - place) / width)))
                .collect();
            let inside = |tap: i64| (0..self.from as i64).contains(&tap);
            if self.exclude_outside || self.antialias {
                row.retain(|&(tap, _)| inside(tap));
            }
            let sum: f64 = row.iter().map(|(_, weight)| weight).sum();
            for (tap, weight) in row {
                let tap = tap.clamp(0, self.from as i64 - 1) as usize;
                weights[tap * self.to + index] += weight / sum;
            }
        }
        Ok(weights
            .into_iter()
            .map(|weight: f64| weight as f32)
            .collect())
    }

    /// How far the filter reaches.
    fn radius(&self) -> f64 {
        match self.mode {
            Mode::Nearest(_) => 0.5,
            Mode::Linear => 1.0,
            Mode::Cubic { .. } => 2.0,
        }
    }

    /// The filter at a distance; cubic convolution is that of Keys 1981, <https://doi.org/10.1109/TASSP.1981.1163711>.
    fn weight(&self, distance: f64) -> f64 {
        let x = distance.abs();
        match self.mode {
            Mode::Nearest(_) => f64::from(u8::from(x < 0.5)),
            Mode::Linear => (1.0 - x).max(0.0),
            Mode::Cubic { a } if x < 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Mode::Cubic { a } if x < 2.0 => ((x - 5.0) * x + 8.0) * x * a - 4.0 * a,
            Mode::Cubic { .. } => 0.0,
        }
    }
}
