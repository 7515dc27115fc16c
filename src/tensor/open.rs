//! Choosing a device by name.

use std::str::FromStr;

use super::Device;
use crate::{
    engine::{Precision, wgsl},
    error::{Error, Result},
};

/// Which device to compute on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceName {
    /// A real GPU when there is one, else the processor.
    #[default]
    Auto,
    /// A GPU through WebGPU's kernels, even one that the processor plays.
    Gpu,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU through burn's CUDA backend, in builds that have it.
    Cuda,
    /// A GPU through burn's Vulkan backend, in builds that have it.
    Vulkan,
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "gpu" => Ok(Self::Gpu),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            "vulkan" => Ok(Self::Vulkan),
            _ => Err(format!(
                "no device is called {text:?}: choose auto, gpu, cpu, cuda or vulkan"
            )),
        }
    }
}

impl Device {
    /// Opens a device by name.
    ///
    /// # Errors
    /// [`Error::NoDevice`] when it is not there or this build does not know it, [`Error::Request`] when it does not
    /// have the precision.
    pub async fn open(name: DeviceName, precision: Precision) -> Result<Self> {
        match name {
            DeviceName::Auto => automatic(precision).await,
            DeviceName::Gpu => gpu(precision).await,
            DeviceName::Cpu => single(precision, "the processor").and_then(|()| cpu()),
            DeviceName::Cuda => single(precision, "the CUDA backend").and_then(|()| cuda()),
            DeviceName::Vulkan => single(precision, "the Vulkan backend").and_then(|()| vulkan()),
        }
    }
}

async fn automatic(precision: Precision) -> Result<Device> {
    match gpu(precision).await {
        // A processor that plays a GPU is slower than the processor itself.
        Ok(device) if !device.info().software => return Ok(device),
        Ok(device) if precision == Precision::F16 => return Ok(device),
        Ok(_) => log::debug!("the only GPU is a software one"),
        Err(error) => log::debug!("{error}"),
    }
    cpu()
}

async fn gpu(precision: Precision) -> Result<Device> {
    let options = wgsl::Options {
        precision,
        ..wgsl::Options::default()
    };
    Device::gpu(options).await
}

/// Refuses f16 where burn computes in f32 only.
fn single(precision: Precision, what: &str) -> Result<()> {
    if precision == Precision::F16 {
        return Err(Error::Request(format!(
            "{what} computes in f32 only: use --device gpu for f16, or leave --precision out"
        )));
    }
    Ok(())
}

#[cfg(feature = "cpu")]
fn cpu() -> Result<Device> {
    Device::cpu()
}

#[cfg(not(feature = "cpu"))]
fn cpu() -> Result<Device> {
    Err(missing("cpu"))
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<Device> {
    crate::engine::burn::cuda().map(Device::new)
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Device> {
    Err(missing("cuda"))
}

#[cfg(feature = "vulkan")]
fn vulkan() -> Result<Device> {
    crate::engine::burn::vulkan().map(Device::new)
}

#[cfg(not(feature = "vulkan"))]
fn vulkan() -> Result<Device> {
    Err(missing("vulkan"))
}

#[cfg(not(all(feature = "cpu", feature = "cuda", feature = "vulkan")))]
fn missing(feature: &str) -> Error {
    Error::NoDevice(format!(
        "this build has no {feature} engine: build it with --features {feature}, or use --device gpu"
    ))
}
