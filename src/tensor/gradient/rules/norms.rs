//! Normalisations and the gated activation.
//!
//! With `y = (x - mean) / deviation`, and `g` the gradient with respect to `y`, that with respect to `x` is
//! `(g - mean(g) - y mean(g y)) / deviation`: what would change mean or deviation is taken out.

use super::{Call, Gradients};
use crate::{
    engine::{Op, op::Unary},
    error::{Error, Result},
    tensor::Tensor,
};

pub fn rule(call: &mut Call) -> Result<Gradients> {
    if call.wants(1) || call.wants(2) {
        return Err(Error::Request(
            "the gradient of a norm's scale and shift is not known: only what a network is given can be tracked"
                .to_owned(),
        ));
    }
    let x = match call.op {
        Op::GroupNorm { groups, eps } => group_norm(call, *groups, f64::from(eps.0)),
        Op::LayerNorm { eps } => layer_norm(call, f64::from(eps.0)),
        Op::Geglu => geglu(call),
        op => unreachable!("{op:?} is no norm"),
    };
    Ok(vec![Some(x), None, None])
}

/// A norm that neither scales nor shifts.
fn unit(channels: usize, x: &Tensor) -> [Tensor; 2] {
    [1.0, 0.0].map(|number| x.device().tensor([channels], vec![number; channels]))
}

fn group_norm(call: &mut Call, groups: usize, eps: f64) -> Tensor {
    let x = call.operand(0);
    let gamma = call.operand(1);
    let channels = x.shape().last();
    let [ones, zeros] = unit(channels, &x);
    let y = x.group_norm(&ones, &zeros, groups, eps);
    let mut row = vec![1; x.shape().rank()];
    row[x.shape().rank() - 1] = channels;
    let g = call.gradient.mul(&gamma.reshape(row));
    let batch = x.shape()[0];
    let pixels = x.shape().rows() / batch;
    let grouped = [batch, pixels, groups, channels / groups];
    let [x, y, g] = [x, y, g].map(|tensor| tensor.reshape(grouped));
    without(&x, &y, &g, &[1, 3]).reshape(call.gradient.shape().clone())
}

fn layer_norm(call: &mut Call, eps: f64) -> Tensor {
    let x = call.operand(0);
    let gamma = call.operand(1);
    let [ones, zeros] = unit(x.shape().last(), &x);
    let y = x.layer_norm(&ones, &zeros, eps);
    let last = x.shape().rank() - 1;
    let mut row = vec![1; x.shape().rank()];
    row[last] = x.shape().last();
    let g = call.gradient.mul(&gamma.reshape(row));
    without(&x, &y, &g, &[last])
}

/// The rule itself; mean and deviation are taken along `axes`.
fn without(x: &Tensor, y: &Tensor, g: &Tensor, axes: &[usize]) -> Tensor {
    // y is (x - mean) / deviation exactly, so their sizes tell the deviation, and squares need not be summed: in f16 they
    // would overflow.
    let size = |tensor: &Tensor| tensor.unary(Unary::Abs).mean(axes);
    let inverse =
        size(y).div(&size(&x.sub(&x.mean(axes))).affine(1.0, f64::from(f32::MIN_POSITIVE)));
    let shift = g.mean(axes);
    let tilt = g.mul(y).mean(axes);
    g.sub(&shift).sub(&y.mul(&tilt)).mul(&inverse)
}

fn geglu(call: &mut Call) -> Tensor {
    let x = call.operand(0);
    let g = &call.gradient;
    let last = x.shape().rank() - 1;
    let half = x.shape().last() / 2;
    let value = x.slice(last, 0..half);
    let gate = x.slice(last, half..2 * half);
    let of_value = g.mul(&gate.unary(Unary::GeluErf));
    let of_gate = gate.slope(Unary::GeluErf, &g.mul(&value));
    Tensor::concat(&[&of_value, &of_gate], last)
}
