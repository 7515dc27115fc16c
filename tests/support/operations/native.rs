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
/// one) in each way it may store numbers, and with a real GPU's kernels, unless `GUIDESTAR_TEST_GPU=no` leaves it out.
///
/// # Panics
/// When there is no GPU: mesa-vulkan-drivers has one in software.
pub fn devices() -> Vec<(&'static str, Device, f64)> {
    let gpu = |options: GpuOptions| {
        pollster::block_on(Device::gpu(options))
            .expect("a GPU, or mesa-vulkan-drivers for one in software")
    };
    let [f32, f16] = [Precision::F32, Precision::F16].map(|precision| GpuOptions {
        precision,
        ..GpuOptions::default()
    });
    let packed = GpuOptions {
        packed: true,
        ..f16
    };
    let tiled = GpuOptions { tiled: true, ..f32 };
    let cpu = Device::cpu().expect("the processor is always there");
    if env::var("GUIDESTAR_TEST_GPU").is_ok_and(|value| value == "no") {
        return vec![("cpu", cpu, F32_LIMIT)];
    }
    vec![
        ("cpu", cpu, F32_LIMIT),
        ("gpu in f32", gpu(f32), GPU_F32_LIMIT),
        ("gpu in f16", gpu(f16), F16_LIMIT),
        ("gpu in packed f16", gpu(packed), F16_LIMIT),
        ("gpu in f32 by tiles", gpu(tiled), GPU_F32_LIMIT),
    ]
}
