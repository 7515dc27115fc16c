//! burn's own gradient of one operation: what the crate's rules are held to.

use std::rc::Rc;

use burn::tensor::Device;

use super::{
    Burn, Way,
    device::cpu_info,
    operand::{Operand, from_host},
};
use crate::engine::{Op, Shape};

/// The gradient of `sum(seed * op(operands))` with respect to the operand `wrt`, by burn on the CPU.
///
/// # Panics
/// When an operand has not as many elements as its shape, or burn cannot differentiate the operation.
pub fn gradient(
    op: &Op,
    operands: &[(Shape, Vec<f32>)],
    (shape, seed): (&Shape, Vec<f32>),
    wrt: usize,
) -> Vec<f32> {
    let device = Device::flex().autodiff();
    let burn = Burn {
        device: device.clone(),
        info: cpu_info(),
        way: Way::Backend,
        ledger: Rc::default(),
    };
    let tensors: Vec<_> = operands
        .iter()
        .enumerate()
        .map(|(at, (_, elements))| {
            let tensor = from_host(elements.clone(), [elements.len()], &device);
            if at == wrt {
                tensor.require_grad()
            } else {
                tensor
            }
        })
        .collect();
    let views: Vec<_> = tensors
        .iter()
        .zip(operands)
        .map(|(flat, (shape, _))| Operand { flat, shape })
        .collect();
    let result = burn.translate(op, &views, shape);
    let count = seed.len();
    let seed = from_host(seed, [count], &device);
    let gradients = (result * seed).sum().backward();
    let gradient = tensors[wrt].grad(&gradients).expect("it requires one");
    let data = gradient.into_data().try_into_vec::<f32>();
    data.expect("gradients are f32")
}
