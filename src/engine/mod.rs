//! What a device must be able to do, and the engines that do it.
//!
//! Two engines stand behind one trait: [`wgsl`] is lazy, runs our own kernels on any GPU that wgpu knows, in a browser
//! too; [`burn`] is eager, runs on a CPU, and is what every kernel is judged against.

use std::{any::Any, future::Future, pin::Pin, rc::Rc};

use crate::error::Result;

#[cfg(feature = "cpu")]
pub mod burn;
pub mod dry;
pub mod op;
mod shape;
pub mod wgsl;

pub use op::Op;
pub use shape::Shape;

/// How numbers are stored. Sums are always f32 or wider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// Two bytes an element.
    F16,
    /// Four bytes an element.
    F32,
}

impl DType {
    /// Bytes an element takes.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

/// How tensors are to be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// As suits the device best.
    #[default]
    Auto,
    /// Two bytes an element.
    F16,
    /// Four bytes an element.
    F32,
}

/// A tensor as an engine holds it; only the engine that made it looks inside.
pub type Value = Rc<dyn Any>;

/// A future that stays on its thread, as everything that touches a browser's GPU must.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What a device is, for a person and for the planner.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// Name of the hardware, as its driver gives it.
    pub name: String,
    /// `cpu`, `vulkan`, `metal`, `dx12`, `webgpu`, `cuda`.
    pub api: &'static str,
    /// How tensors are stored.
    pub dtype: DType,
    /// The hardware is a processor that plays a GPU.
    pub software: bool,
    /// Bytes that jobs may take, where that can be known.
    pub memory_bytes: Option<u64>,
    /// Anything else worth a line: driver, features, limits.
    pub details: Vec<(String, String)>,
}

/// What running something would take, or takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes held by constants (weights).
    pub constant_bytes: u64,
    /// Greatest number of bytes that intermediates hold at one time.
    pub intermediate_bytes: u64,
    /// Bytes of the largest single tensor.
    pub largest_bytes: u64,
}

/// Work that an engine has done so far; differences between two readings are what tests and benches count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Plans made, as against found.
    pub plans: u64,
    /// Pipelines compiled.
    pub pipelines: u64,
    /// Buffers allocated on the device.
    pub allocations: u64,
    /// Bytes in buffers that are alive now.
    pub allocated_bytes: u64,
    /// Kernels launched.
    pub dispatches: u64,
    /// Command buffers submitted.
    pub submissions: u64,
}

/// How long a step of a plan took.
#[derive(Clone, Debug, PartialEq)]
pub struct StepTime {
    /// The step's operation and shapes.
    pub label: String,
    /// Floating-point operations it does; a multiply-add is two.
    pub flops: u64,
    /// Bytes it must move at least.
    pub bytes: u64,
    /// Its time on the device.
    pub secs: f64,
}

/// A tensor that is written piece by piece, in order, so that nobody holds it whole.
pub trait Upload {
    /// Appends elements in row-major order.
    ///
    /// # Errors
    /// When more arrive than the shape holds, or the device refuses them.
    fn write(&mut self, elements: &[f32]) -> Result<()>;
    /// Ends the writing.
    ///
    /// # Errors
    /// When elements are missing, or the device refused them.
    fn finish(self: Box<Self>) -> Result<Value>;
}

/// Something that a device makes ready, piece by piece.
pub trait Preparation {
    /// Pieces that are to be made ready, in all.
    fn pieces(&self) -> usize;
    /// Makes the next piece ready; false when there is none.
    ///
    /// # Errors
    /// When the device fails.
    fn next(&mut self) -> LocalFuture<'_, Result<bool>>;
}

/// What a device must do. Shapes are checked by [`crate::tensor::Tensor`] before anything arrives here.
pub trait Engine {
    /// What this is.
    fn info(&self) -> &DeviceInfo;

    /// Starts a constant: it lives as long as it is held, and plans refer to it by identity.
    ///
    /// # Errors
    /// When the device has no room for it.
    fn upload(&self, shape: &Shape) -> Result<Box<dyn Upload>>;

    /// Brings small data that differs from step to step; never part of a plan's identity.
    fn input(&self, shape: &Shape, elements: Vec<f32>) -> Value;

    /// Applies an operation. A lazy engine only notes it.
    fn apply(&self, op: &Op, inputs: &[(&Value, &Shape)], shape: &Shape) -> Value;

    /// Computes the values together, and lets go of what led to them.
    ///
    /// # Errors
    /// When the device has no room or is lost.
    fn eval(&self, values: &[&Value]) -> Result<()>;

    /// Computes a value and makes it a constant, as [`Engine::upload`] would have.
    ///
    /// # Errors
    /// When the device has no room or is lost.
    fn keep(&self, value: &Value) -> Result<Value>;

    /// Brings a value's elements to the host, in row-major order.
    fn read<'a>(&'a self, value: &'a Value) -> LocalFuture<'a, Result<Vec<f32>>>;

    /// What [`Engine::eval`] of these values would take, without doing it. An eager engine has already done it and says so.
    fn footprint(&self, values: &[&Value]) -> Footprint;

    /// What has been done so far.
    fn counters(&self) -> Counters;

    /// Waits until everything that was handed over is done. An eager engine is always done.
    ///
    /// # Errors
    /// When the device had no room for some of it, or is lost.
    fn finish(&self) -> LocalFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Loses the device on purpose, as a driver that crashes would. Nothing happens where there is none to lose.
    fn lose(&self) {}

    /// An engine that plans as this one does, computes nothing and stores nothing.
    fn planner(&self) -> Rc<dyn Engine> {
        dry::engine()
    }

    /// Begins to make ready what computing these values together will need for the first time, such as compiled kernels. An
    /// engine that needs nothing says so.
    ///
    /// # Errors
    /// When the device has no room or is lost.
    fn prepare(&self, _values: &[&Value]) -> Result<Option<Box<dyn Preparation>>> {
        Ok(None)
    }

    /// Computes the values together, and says how long each step took. An engine without steps says nothing.
    fn profile<'a>(&'a self, values: &'a [&'a Value]) -> LocalFuture<'a, Result<Vec<StepTime>>> {
        Box::pin(async move {
            self.eval(values)?;
            Ok(Vec::new())
        })
    }
}
