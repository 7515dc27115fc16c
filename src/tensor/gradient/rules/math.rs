//! Element-wise operations and reductions.

use super::{Call, Gradients, gathered};
use crate::{
    engine::{
        Op,
        op::{Binary, Reduction, Unary},
    },
    error::{Error, Result},
    tensor::Tensor,
};

pub fn rule(call: &mut Call) -> Result<Gradients> {
    let g = call.gradient.clone();
    Ok(match call.op {
        Op::Unary(Unary::Neg) => vec![Some(g.affine(-1.0, 0.0))],
        Op::Unary(Unary::Affine { scale, .. }) => vec![Some(g.affine(f64::from(scale.0), 0.0))],
        Op::Unary(function) => vec![Some(call.operand(0).slope(*function, &g))],
        Op::Binary(function) => binary(call, *function, &g),
        Op::Select => select(call, &g),
        Op::Reduce(reduction, axes) => vec![Some(reduce(call, *reduction, axes, &g))],
        Op::Softmax => {
            let y = call.result();
            vec![Some(softmax(&y, &g))]
        }
        // A slope is made where gradients are computed, and nobody asks for theirs.
        op => {
            return Err(Error::Request(format!(
                "the gradient of {op:?} is not known: second derivatives are not built in"
            )));
        }
    })
}

/// From the gradient with respect to `y = softmax(x)` to that with respect to `x`.
pub fn softmax(y: &Tensor, g: &Tensor) -> Tensor {
    let last = y.shape().rank() - 1;
    y.mul(&g.sub(&g.mul(y).sum(&[last])))
}

fn binary(call: &mut Call, function: Binary, g: &Tensor) -> Gradients {
    let mut gradients = vec![None, None];
    for (operand, gradient) in gradients.iter_mut().enumerate() {
        if !call.wants(operand) {
            continue;
        }
        let other = 1 - operand;
        let full = match function {
            Binary::Add => g.clone(),
            Binary::Sub if operand == 0 => g.clone(),
            Binary::Sub => g.affine(-1.0, 0.0),
            Binary::Mul => g.mul(&call.operand(other)),
            Binary::Div if operand == 0 => g.div(&call.operand(1)),
            Binary::Div => g
                .mul(&call.result())
                .div(&call.operand(1))
                .affine(-1.0, 0.0),
            Binary::Mix(a, b) => {
                let factor = if operand == 0 { a } else { b };
                g.affine(f64::from(factor.0), 0.0)
            }
            Binary::Max => g.mul(&chosen(&call.operand(operand), &call.operand(other))),
            Binary::Min => g.mul(&chosen(
                &call.operand(operand).affine(-1.0, 0.0),
                &call.operand(other).affine(-1.0, 0.0),
            )),
            Binary::Greater | Binary::GreaterEqual | Binary::Equal => {
                unreachable!("comparisons are not recorded")
            }
        };
        *gradient = Some(gathered(&full, call.shape(operand)));
    }
    gradients
}

/// 1 where the first is the greater, 1/2 where both are equal.
fn chosen(x: &Tensor, y: &Tensor) -> Tensor {
    x.greater(y).mix(0.5, &x.greater_equal(y), 0.5)
}

fn select(call: &mut Call, g: &Tensor) -> Gradients {
    let mask = call.operand(0);
    let zero = g.device().tensor(vec![1; g.shape().rank()], vec![0.0]);
    let part = |operand: usize, part: &dyn Fn() -> Tensor| {
        let wanted = call.wants(operand);
        wanted.then(|| gathered(&part(), call.shape(operand)))
    };
    vec![
        None,
        part(1, &|| mask.select(g, &zero)),
        part(2, &|| mask.select(&zero, g)),
    ]
}

fn reduce(call: &mut Call, reduction: Reduction, axes: &[usize], g: &Tensor) -> Tensor {
    let shape = call.shape(0).clone();
    match reduction {
        Reduction::Sum => g.expand(shape),
        Reduction::Mean => {
            let count: usize = axes.iter().map(|&axis| shape[axis]).product();
            g.affine(1.0 / count as f64, 0.0).expand(shape)
        }
        Reduction::Max | Reduction::Min => {
            // Those that are equally great share.
            let hit = call.operand(0).equal(&call.result());
            hit.mul(&g.div(&hit.sum(axes)))
        }
    }
}
