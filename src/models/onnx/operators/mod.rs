//! ONNX's operators, each written with the few operations of [`Value`] and what only a device does.
//!
//! Their meaning is that of <https://onnx.ai/onnx/operators/>, in each version from the graph's own on.

mod activations;
mod arithmetic;
mod convolutions;
mod layout;
mod norms;
mod pieces;
mod pools;
mod products;
mod reductions;
mod resample;
mod resize;
mod shapes;
mod softmax;
mod transposed;
mod window;

use super::{call::Call, fault::Fallible, value::Value};

/// Computes what a node makes.
pub type Operation = fn(&Call) -> Fallible<Vec<Value>>;

/// The operation of this name, when it is known.
pub fn find(name: &str) -> Option<Operation> {
    [
        activations::find,
        arithmetic::find,
        convolutions::find,
        layout::find,
        norms::find,
        pieces::find,
        pools::find,
        products::find,
        reductions::find,
        resize::find,
        shapes::find,
        softmax::find,
    ]
    .into_iter()
    .find_map(|find| find(name))
}

/// What most nodes make: one value.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends operations, which may fail"
)]
fn one(value: Value) -> Fallible<Vec<Value>> {
    Ok(vec![value])
}
