//! Tensors: numbers with a shape, on a device that is chosen when the program runs.
//!
//! Operations are methods; they check shapes here, once, and hand an [`Op`] to the engine. Everything is channels last:
//! feature maps `[B, h, w, C]`, tokens `[B, N, C]`, so that a feature map is a token sequence by [`Tensor::reshape`].

#[cfg(feature = "cpu")]
mod cpu;
mod device;
mod gradient;
mod layers;
mod layout;
mod math;
mod open;
mod planner;

pub use crate::engine::Preparation;
pub use crate::engine::{
    Counters, DType, DeviceInfo, Footprint, LocalFuture, Precision, Shape, StepTime,
    op::{Conv, Interpolation, PadMode, Pooling, Scalar, Unary},
    wgsl::Options as GpuOptions,
};
pub use device::{Device, Upload};
pub use gradient::Keep;
pub use open::DeviceName;

use std::{fmt, ops::Range, rc::Rc};

use gradient::Origin;

use crate::{
    engine::{Op, Value},
    error::Result,
};

/// Numbers with a shape, on a device. Cloning is cheap and shares the numbers, which never change.
#[derive(Clone)]
pub struct Tensor {
    device: Device,
    shape: Shape,
    value: Value,
    origin: Origin,
}

impl Tensor {
    fn from_value(device: Device, shape: Shape, value: Value) -> Self {
        Self {
            device,
            shape,
            value,
            origin: Origin::Plain,
        }
    }

    /// One that stays.
    fn from_constant(device: Device, shape: Shape, value: Value) -> Self {
        Self {
            origin: Origin::Constant(Rc::default()),
            ..Self::from_value(device, shape, value)
        }
    }

    /// What `lay` makes of this: of a constant once, and kept beside it.
    fn laid_out(&self, lay: impl FnOnce(&Self) -> Self) -> Result<Self> {
        let Origin::Constant(beside) = &self.origin else {
            return Ok(lay(self));
        };
        if let Some(laid) = beside.get() {
            return Ok(laid.clone());
        }
        let laid = lay(self).keep()?;
        Ok(beside.get_or_init(|| laid).clone())
    }

    fn value(&self) -> &Value {
        &self.value
    }

    /// Hands an operation on tensors of one device to its engine.
    fn apply(op: &Op, inputs: &[&Self], shape: Shape) -> Self {
        let device = inputs[0].device.clone();
        let pairs: Vec<_> = inputs
            .iter()
            .map(|tensor| (&tensor.value, &tensor.shape))
            .collect();
        let value = device.0.apply(op, &pairs, &shape);
        let result = Self::from_value(device, shape, value);
        Self {
            origin: Origin::of(op, inputs, &result),
            ..result
        }
    }

    /// The extent along each axis.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The device it lives on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The extents, when there are as many axes as asked for.
    ///
    /// # Panics
    /// When there are not.
    pub fn dims<const RANK: usize>(&self) -> [usize; RANK] {
        <[usize; RANK]>::try_from(&self.shape[..])
            .unwrap_or_else(|_| panic!("a tensor {:?} where {RANK} axes are needed", self.shape))
    }

    /// Brings the elements to the host, in row-major order.
    ///
    /// # Errors
    /// When the device has no room to compute them or is lost.
    pub async fn read(&self) -> Result<Vec<f32>> {
        self.device.0.read(&self.value).await
    }

    /// Computes this and makes it a constant, which plans refer to by identity instead of copying it in.
    ///
    /// # Errors
    /// When the device has no room or is lost.
    pub fn keep(&self) -> Result<Self> {
        let value = self.device.0.keep(&self.value)?;
        Ok(Self::from_constant(
            self.device.clone(),
            self.shape.clone(),
            value,
        ))
    }

    /// Rows `range` of the first axis.
    #[must_use]
    pub fn rows(&self, range: Range<usize>) -> Self {
        self.slice(0, range)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor{:?} on {}", self.shape, self.device.info().api)
    }
}
