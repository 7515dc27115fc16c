//! Where tensors live and which engine computes them.

use std::rc::Rc;

use super::{Shape, Tensor};
use crate::{
    engine::{self, Counters, DType, DeviceInfo, Engine, Footprint, Preparation, StepTime, wgsl},
    error::Result,
};

/// Where tensors live. Cloning is cheap; it is the same device.
#[derive(Clone)]
pub struct Device(pub(super) Rc<dyn Engine>);

impl Device {
    /// Wraps an engine.
    pub fn new(engine: Rc<dyn Engine>) -> Self {
        Self(engine)
    }

    /// Opens the best GPU there is: tensors are computed lazily on it, by our own kernels.
    ///
    /// # Errors
    /// When there is none.
    pub async fn gpu(options: wgsl::Options) -> Result<Self> {
        Ok(Self(wgsl::open(options).await?))
    }

    /// A device that only plans: [`Device::footprint`] on it says what a job would take here, before anything is loaded or
    /// allocated. An eager device has no plans, and its footprints are empty.
    #[must_use]
    pub fn planner(&self) -> Self {
        Self(self.0.planner())
    }

    /// A device without numbers, on which models are built to learn what they need.
    pub fn dry() -> Self {
        Self(engine::dry::engine())
    }

    /// What this is.
    pub fn info(&self) -> &DeviceInfo {
        self.0.info()
    }

    /// How its tensors are stored.
    pub fn dtype(&self) -> DType {
        self.0.info().dtype
    }

    /// Brings small data that differs from step to step: latents, a timestep's embedding.
    ///
    /// # Panics
    /// When there are not as many elements as the shape holds.
    pub fn tensor(&self, shape: impl Into<Shape>, elements: Vec<f32>) -> Tensor {
        let shape = shape.into();
        assert_eq!(
            shape.elements(),
            elements.len(),
            "a tensor {shape:?} from {} elements",
            elements.len()
        );
        let value = self.0.input(&shape, elements);
        Tensor::from_value(self.clone(), shape, value)
    }

    /// Brings data that stays: a weight.
    ///
    /// # Errors
    /// When the device has no room for it.
    ///
    /// # Panics
    /// When there are not as many elements as the shape holds.
    pub fn constant(&self, shape: impl Into<Shape>, elements: &[f32]) -> Result<Tensor> {
        let shape = shape.into();
        assert_eq!(
            shape.elements(),
            elements.len(),
            "a constant {shape:?} from {} elements",
            elements.len()
        );
        let mut upload = self.upload(shape)?;
        upload.write(elements)?;
        upload.finish()
    }

    /// Starts a constant that is written piece by piece.
    ///
    /// # Errors
    /// When the device has no room for it.
    pub fn upload(&self, shape: impl Into<Shape>) -> Result<Upload> {
        let shape = shape.into();
        let inner = self.0.upload(&shape)?;
        Ok(Upload {
            device: self.clone(),
            shape,
            inner,
        })
    }

    /// Computes tensors together and lets go of what led to them.
    ///
    /// # Errors
    /// When the device has no room or is lost.
    pub fn eval(&self, tensors: &[&Tensor]) -> Result<()> {
        let values: Vec<_> = tensors.iter().map(|tensor| tensor.value()).collect();
        self.0.eval(&values)
    }

    /// What [`Device::eval`] of these would take, without doing it.
    pub fn footprint(&self, tensors: &[&Tensor]) -> Footprint {
        let values: Vec<_> = tensors.iter().map(|tensor| tensor.value()).collect();
        self.0.footprint(&values)
    }

    /// Begins to make ready what computing these together will need for the first time; nothing where there is nothing to do.
    ///
    /// # Errors
    /// When the device has no room or is lost.
    pub fn prepare(&self, tensors: &[&Tensor]) -> Result<Option<Box<dyn Preparation>>> {
        let values: Vec<_> = tensors.iter().map(|tensor| tensor.value()).collect();
        self.0.prepare(&values)
    }

    /// Computes tensors together and says how long each step took; nothing where there are no steps.
    ///
    /// # Errors
    /// When the device has no room or is lost.
    pub async fn profile(&self, tensors: &[&Tensor]) -> Result<Vec<StepTime>> {
        let values: Vec<_> = tensors.iter().map(|tensor| tensor.value()).collect();
        self.0.profile(&values).await
    }

    /// Waits until everything that was handed over is done.
    ///
    /// # Errors
    /// When the device had no room for some of it, or is lost.
    pub async fn finish(&self) -> Result<()> {
        self.0.finish().await
    }

    /// Loses the device on purpose, as a driver that crashes would, to see that it is noticed. Nothing happens where
    /// there is none to lose.
    pub fn lose(&self) {
        self.0.lose();
    }

    /// What the device has done so far.
    pub fn counters(&self) -> Counters {
        self.0.counters()
    }
}

/// A constant that is being written.
pub struct Upload {
    device: Device,
    shape: Shape,
    inner: Box<dyn crate::engine::Upload>,
}

impl Upload {
    /// Appends elements in row-major order.
    ///
    /// # Errors
    /// When more arrive than the shape holds, or the device refuses them.
    pub fn write(&mut self, elements: &[f32]) -> Result<()> {
        self.inner.write(elements)
    }

    /// Ends the writing.
    ///
    /// # Errors
    /// When elements are missing, or the device refused them.
    pub fn finish(self) -> Result<Tensor> {
        let value = self.inner.finish()?;
        Ok(Tensor::from_constant(self.device, self.shape, value))
    }
}
