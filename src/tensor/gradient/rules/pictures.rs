//! Resampling and pooling.

use super::{
    Call, Gradients, lines,
    products::{bordered, flipped, unconvolved},
    spread,
};
use crate::{
    engine::{
        Op,
        op::{Border, Conv, Interpolation, Pooling},
    },
    tensor::{Shape, Tensor},
};

pub fn rule(call: &mut Call) -> Gradients {
    let g = call.gradient.clone();
    let shape = call.shape(0).clone();
    let x = match *call.op {
        Op::Resize {
            size,
            interpolation,
            antialias,
        } => resize(&g, &shape, size, interpolation, antialias),
        Op::Pool {
            pooling,
            kernel,
            stride,
            pad,
        } => {
            let window = Window {
                kernel,
                stride,
                pad,
            };
            match pooling {
                Pooling::Mean => window.mean(&g, &shape),
                Pooling::Max => window.greatest(&call.operand(0), &call.result(), &g),
            }
        }
        ref op => unreachable!("{op:?} does not resample"),
    };
    vec![Some(x)]
}

fn resize(
    g: &Tensor,
    shape: &Shape,
    size: [usize; 2],
    interpolation: Interpolation,
    antialias: bool,
) -> Tensor {
    let factors = [0, 1].map(|axis| size[axis] / shape[axis + 1]);
    let whole = (0..2).all(|axis| size[axis].is_multiple_of(shape[axis + 1]));
    if interpolation == Interpolation::Nearest && whole {
        // Each element went to a window of its own.
        let mean = g.pool(Pooling::Mean, factors, factors, [0; 4]);
        return mean.affine((factors[0] * factors[1]) as f64, 0.0);
    }
    (0..2).fold(g.clone(), |g, axis| {
        let [from, to] = [shape[axis + 1], size[axis]];
        let mut weights = vec![0.0; from * to];
        for index in 0..to {
            for (tap, weight) in taps(index, from, to, interpolation, antialias) {
                weights[tap * to + index] += weight as f32;
            }
        }
        lines::along(&g, axis + 1, from, weights)
    })
}

/// The elements of a line that an element of the resampled line is made of, with PyTorch's conventions: pixel centres
/// at halves, and what reaches past the border either repeats the edge element or, with antialias, is left out.
fn taps(
    index: usize,
    from: usize,
    to: usize,
    interpolation: Interpolation,
    antialias: bool,
) -> Vec<(usize, f64)> {
    if interpolation == Interpolation::Nearest {
        return vec![(index * from / to, 1.0)];
    }
    let ratio = from as f64 / to as f64;
    let stretch = if antialias { ratio.max(1.0) } else { 1.0 };
    let (radius, a) = match interpolation {
        Interpolation::Bicubic if antialias => (2.0, -0.5),
        Interpolation::Bicubic => (2.0, -0.75),
        Interpolation::Bilinear | Interpolation::Nearest => (1.0, 0.0),
    };
    let centre = (index as f64 + 0.5) * ratio - 0.5;
    let first = (centre - radius * stretch).floor() as isize;
    let last = (centre + radius * stretch).ceil() as isize;
    let inside = |tap: &isize| !antialias || (0..from as isize).contains(tap);
    let taps: Vec<_> = (first..=last)
        .filter(inside)
        .map(|tap| {
            let distance = ((tap as f64 - centre) / stretch).abs();
            let weight = match interpolation {
                Interpolation::Bicubic => cubic(distance, a),
                Interpolation::Bilinear | Interpolation::Nearest => (1.0 - distance).max(0.0),
            };
            (tap.clamp(0, from as isize - 1) as usize, weight)
        })
        .collect();
    let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
    let taps = taps.into_iter().map(|(tap, weight)| (tap, weight / sum));
    taps.collect()
}

/// Keys' cubic convolution kernel with coefficient `a`, at a distance of at least 0.
fn cubic(x: f64, a: f64) -> f64 {
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

/// A pooling window.
struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: Border,
}

impl Window {
    /// Each element is given its share by every window it is in: a convolution with ones, backwards.
    fn mean(&self, g: &Tensor, shape: &Shape) -> Tensor {
        let [_, tall, wide, channels] = g.dims();
        // How many elements of the picture each window holds, along an axis.
        let counts = [(0, tall), (1, wide)].map(|(axis, windows)| {
            let count = |window: usize| {
                let front = self.pad[2 * axis];
                let first = window * self.stride[axis];
                let end = (first + self.kernel[axis]).min(front + shape[axis + 1]);
                end - first.max(front)
            };
            (0..windows).map(count).collect::<Vec<usize>>()
        });
        let shares = counts[0].iter().flat_map(|down| {
            counts[1]
                .iter()
                .map(move |across| 1.0 / (down * across) as f32)
        });
        let device = g.device();
        let shares = device.tensor([1, tall, wide, 1], shares.collect());
        let [kh, kw] = self.kernel;
        let ones = device.tensor([kh, kw, 1, channels], vec![1.0; kh * kw * channels]);
        let conv = Conv {
            stride: self.stride,
            pad: self.pad,
            dilation: [1, 1],
            groups: channels,
        };
        unconvolved(&g.mul(&shares), &flipped(&ones, channels), conv, shape)
    }

    /// Each window gives all to its greatest element; to the first, where several are equally great.
    fn greatest(&self, x: &Tensor, y: &Tensor, g: &Tensor) -> Tensor {
        let [_, tall, wide, _] = y.dims();
        let [_, h, w, _] = x.dims();
        let [top, bottom, left, right] = self.pad;
        let [full_h, full_w] = [h + top + bottom, w + left + right];
        let padded = bordered(x, self.pad);
        // The border never wins, though it may be equal.
        let inside = x.device().tensor([1, h, w, 1], vec![1.0; h * w]);
        let inside = bordered(&inside, self.pad);
        let mut free = x.device().filled(y.shape().clone(), 1.0);
        let mut sum: Option<Tensor> = None;
        for dy in 0..self.kernel[0] {
            for dx in 0..self.kernel[1] {
                let tap = |from: &Tensor| {
                    let rows = dy..dy + (tall - 1) * self.stride[0] + 1;
                    let columns = dx..dx + (wide - 1) * self.stride[1] + 1;
                    let taken = from.slice_by(1, rows, self.stride[0]);
                    taken.slice_by(2, columns, self.stride[1])
                };
                let hit = tap(&padded).equal(y).mul(&free).mul(&tap(&inside));
                free = free.sub(&hit);
                let part = spread(&g.mul(&hit), 1, dy, self.stride[0], full_h);
                let part = spread(&part, 2, dx, self.stride[1], full_w);
                sum = Some(match sum {
                    Some(sum) => sum.add(&part),
                    None => part,
                });
            }
        }
        let sum = sum.expect("a window has at least one element");
        sum.slice(1, top..top + h).slice(2, left..left + w)
    }
}
