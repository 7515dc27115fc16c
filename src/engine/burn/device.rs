//! Opening burn's devices.

use std::{fs, rc::Rc};

use burn::tensor::Device;
#[cfg(any(feature = "cuda", feature = "vulkan"))]
use burn::tensor::DeviceType;

use super::{Burn, Way};
#[cfg(any(feature = "cuda", feature = "vulkan"))]
use crate::error::Error;
use crate::{
    engine::{DType, DeviceInfo, Engine},
    error::Result,
};

/// The CPU, by burn's Flex backend.
///
/// # Errors
/// None today; the other devices can be missing.
pub fn cpu() -> Result<Rc<dyn Engine>> {
    Ok(open(Device::flex(), cpu_info(), Way::Own))
}

/// What the processor is.
pub(super) fn cpu_info() -> DeviceInfo {
    DeviceInfo {
        name: processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        api: "cpu",
        dtype: DType::F32,
        software: true,
        memory_bytes: free_bytes(),
        details: vec![("backend".to_owned(), "burn flex".to_owned())],
    }
}

/// The first NVIDIA GPU, by burn's CUDA backend.
///
/// # Errors
/// When there is none, or no driver for it.
#[cfg(feature = "cuda")]
pub fn cuda() -> Result<Rc<dyn Engine>> {
    gpu(DeviceType::Cuda, "cuda")
}

/// The first GPU that Vulkan lists, by burn's SPIR-V backend.
///
/// # Errors
/// When there is none, or no driver for it.
#[cfg(feature = "vulkan")]
pub fn vulkan() -> Result<Rc<dyn Engine>> {
    gpu(DeviceType::Vulkan, "vulkan")
}

#[cfg(any(feature = "cuda", feature = "vulkan"))]
fn gpu(kind: DeviceType, api: &'static str) -> Result<Rc<dyn Engine>> {
    let device = Device::enumerate(kind).into_vec().into_iter().next();
    let device = device.ok_or_else(|| {
        Error::NoDevice(format!(
            "there is no GPU that {api} can reach: check its driver, or use --device cpu"
        ))
    })?;
    let info = DeviceInfo {
        name: device
            .identity()
            .map_or_else(|| api.to_owned(), |identity| identity.name),
        api,
        dtype: DType::F32,
        software: false,
        memory_bytes: None,
        details: vec![("backend".to_owned(), format!("burn {api}"))],
    };
    Ok(open(device, info, Way::Backend))
}

fn open(device: Device, info: DeviceInfo, way: Way) -> Rc<dyn Engine> {
    Rc::new(Burn {
        device,
        info,
        way,
        ledger: Rc::default(),
    })
}

/// The processor's name, where the system tells.
fn processor() -> Option<String> {
    line("/proc/cpuinfo", "model name")
}

/// Memory that is free to take, where the system tells.
fn free_bytes() -> Option<u64> {
    let free = line("/proc/meminfo", "MemAvailable")?;
    let kibibytes: u64 = free.trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// What stands behind `key:` in one of Linux's tables.
fn line(table: &str, key: &str) -> Option<String> {
    let table = fs::read_to_string(table).ok()?;
    table
        .lines()
        .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'))
        .map(|value| value.trim().to_owned())
}
