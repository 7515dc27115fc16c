//! What only a program that may wait can do.

use std::env;

use guidestar::tensor::{Device, GpuOptions, Precision, Tensor};

use super::{F16_LIMIT, F32_LIMIT, GPU_F32_LIMIT, Host};

impl Host {
    /// Brings a tensor here, and waits for it.
    pub fn read(tensor: &Tensor) -> Self {
        pollster::block_on(Self::fetch(tensor))
    }
}

/// The devices that are judged, each with the greatest error it may make: the processor, and the GPU (or what plays
/// one) in each way it may store numbers, unless `GUIDESTAR_TEST_GPU=no` leaves it out.
///
/// # Panics
/// When there is no GPU: mesa-vulkan-drivers has one in software.
pub fn devices() -> Vec<(&'static str, Device, f64)> {
    let gpu = |precision: Precision, packed: bool| {
        let options = GpuOptions {
            precision,
            packed,
            ..GpuOptions::default()
        };
        pollster::block_on(Device::gpu(options))
            .expect("a GPU, or mesa-vulkan-drivers for one in software")
    };
    let cpu = Device::cpu().expect("the processor is always there");
    if env::var("GUIDESTAR_TEST_GPU").is_ok_and(|value| value == "no") {
        return vec![("cpu", cpu, F32_LIMIT)];
    }
    vec![
        ("cpu", cpu, F32_LIMIT),
        ("gpu in f32", gpu(Precision::F32, false), GPU_F32_LIMIT),
        ("gpu in f16", gpu(Precision::F16, false), F16_LIMIT),
        ("gpu in packed f16", gpu(Precision::F16, true), F16_LIMIT),
    ]
}
