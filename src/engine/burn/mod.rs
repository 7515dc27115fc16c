//! The eager engine: a thin translation of operations to burn's tensors, on a CPU by default.

mod attention;
pub mod autodiff;
mod convolutions;
mod device;
mod lanes;
mod layout;
mod ledger;
mod math;
mod norms;
mod operand;
mod pictures;
mod products;
mod slopes;

use std::rc::Rc;

use burn::tensor::Device;

use self::{
    ledger::{Held, Ledger},
    operand::{Flat, Operand, from_host},
};
use super::{
    Counters, DeviceInfo, Engine, Footprint, LocalFuture, Op, Shape, Upload, Value,
    op::{Rows, Scalar},
};
use crate::error::{Error, Result};

pub use device::cpu;
#[cfg(feature = "cuda")]
pub use device::cuda;
#[cfg(feature = "vulkan")]
pub use device::vulkan;

/// How convolutions and attention are done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By matrix products where groups allow it, and by a kernel of our own: on a processor.
    Own,
    /// By the backend's own kernels.
    Backend,
}

/// burn's tensors on one device.
struct Burn {
    device: Device,
    info: DeviceInfo,
    way: Way,
    ledger: Rc<Ledger>,
}

impl Burn {
    fn hold(&self, flat: Flat, constant: bool) -> Value {
        Rc::new(Held::new(&self.ledger, flat, constant))
    }

    /// The one place where an operation becomes burn's.
    fn translate(&self, op: &Op, inputs: &[Operand], shape: &Shape) -> Flat {
        let x = &inputs[0];
        let device = &self.device;
        match op {
            Op::Reshape(_) | Op::After => x.flat.clone(),
            Op::Permute(order) => layout::permute(x, order),
            Op::Slice { starts, steps, .. } => layout::slice(x, starts, steps, shape),
            Op::Concat(axis) => layout::concat(inputs, *axis),
            Op::Pad {
                before,
                after,
                mode,
            } => layout::pad(x, before, after, *mode),
            Op::Expand(_) => layout::expand(x, shape),
            Op::Gather(Rows(rows)) => layout::gather(x, rows, device),
            Op::Slope(function) => {
                slopes::slope(x.flat.clone(), *function) * inputs[1].flat.clone()
            }
            Op::Unary(function) => math::unary(x.flat.clone(), *function),
            Op::Binary(function) => math::binary(x, &inputs[1], *function),
            Op::Select => math::select(x, &inputs[1], &inputs[2], shape),
            Op::Reduce(reduction, axes) => math::reduce(x, *reduction, axes),
            Op::Softmax => math::softmax(x),
            Op::Matmul { transposed, .. } => {
                products::matmul(x, &inputs[1], inputs.get(2), *transposed)
            }
            Op::Conv2d { conv, .. } => {
                let (weight, bias) = (&inputs[1], inputs.get(2));
                convolutions::conv2d(self.way, x, weight, bias, *conv, shape)
            }
            Op::GroupNorm {
                groups,
                eps: Scalar(eps),
            } => norms::group_norm(x, &inputs[1], &inputs[2], *groups, *eps),
            Op::LayerNorm { eps: Scalar(eps) } => {
                norms::layer_norm(x, &inputs[1], &inputs[2], *eps)
            }
            Op::Geglu => norms::geglu(x),
            Op::Attention {
                heads,
                scale,
                causal,
            } => {
                let qkv = [x, &inputs[1], &inputs[2]];
                let attend = match self.way {
                    Way::Own => attention::by_lanes,
                    Way::Backend => attention::attention,
                };
                attend(qkv, *heads, scale.0, *causal, device)
            }
            Op::AttentionProbs {
                heads,
                scale,
                causal,
            } => attention::probs(x, &inputs[1], *heads, scale.0, *causal, device),
            Op::AttentionApply => attention::apply(x, &inputs[1]),
            Op::Resize {
                size,
                interpolation,
                antialias,
            } => pictures::resize(x, *size, *interpolation, *antialias, device),
            Op::Pool {
                pooling,
                kernel,
                stride,
                pad,
            } => pictures::pool(x, *pooling, *kernel, *stride, *pad),
        }
    }
}

/// The tensor inside a value of this engine.
fn held(value: &Value) -> &Held {
    value
        .downcast_ref()
        .expect("values stay with the engine that made them")
}

impl Engine for Burn {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn upload(&self, shape: &Shape) -> Result<Box<dyn Upload>> {
        Ok(Box::new(Uploading {
            elements: Vec::with_capacity(shape.elements()),
            shape: shape.clone(),
            device: self.device.clone(),
            ledger: self.ledger.clone(),
        }))
    }

    fn input(&self, shape: &Shape, elements: Vec<f32>) -> Value {
        let flat = from_host(elements, [shape.elements()], &self.device);
        self.hold(flat, false)
    }

    fn apply(&self, op: &Op, inputs: &[(&Value, &Shape)], shape: &Shape) -> Value {
        let operands: Vec<_> = inputs
            .iter()
            .map(|&(value, shape)| Operand {
                flat: held(value).flat(),
                shape,
            })
            .collect();
        self.ledger.count_operation();
        self.hold(self.translate(op, &operands, shape), false)
    }

    fn eval(&self, _: &[&Value]) -> Result<()> {
        self.device
            .sync()
            .map_err(|error| Error::DeviceLost(error.to_string()))
    }

    fn keep(&self, value: &Value) -> Result<Value> {
        Ok(self.hold(held(value).flat().clone(), true))
    }

    fn read<'a>(&'a self, value: &'a Value) -> LocalFuture<'a, Result<Vec<f32>>> {
        Box::pin(async move {
            let lost = |text: String| Error::DeviceLost(text);
            let data = held(value).flat().to_data_async().await;
            let data = data.map_err(|error| lost(error.to_string()))?;
            data.try_into_vec::<f32>()
                .map_err(|error| lost(format!("{error:?}")))
        })
    }

    fn footprint(&self, _: &[&Value]) -> Footprint {
        self.ledger.footprint()
    }

    fn counters(&self) -> Counters {
        self.ledger.counters()
    }
}

/// A constant that is being gathered on the host.
struct Uploading {
    elements: Vec<f32>,
    shape: Shape,
    device: Device,
    ledger: Rc<Ledger>,
}

impl Upload for Uploading {
    fn write(&mut self, elements: &[f32]) -> Result<()> {
        let count = self.elements.len() + elements.len();
        if count > self.shape.elements() {
            return Err(Error::Request(format!(
                "{count} elements for a constant {:?}",
                self.shape
            )));
        }
        self.elements.extend_from_slice(elements);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Value> {
        let count = self.elements.len();
        if count < self.shape.elements() {
            return Err(Error::Request(format!(
                "only {count} elements for a constant {:?}",
                self.shape
            )));
        }
        let flat = from_host(self.elements, [count], &self.device);
        Ok(Rc::new(Held::new(&self.ledger, flat, true)))
    }
}
