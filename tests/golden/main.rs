//! Networks, whole trajectories, schedules and noise are what diffusers, transformers and PyTorch give.
//!
//! Parameters are drawn by name on both sides; `tests/fixtures/make_fixtures.py` and `make_guidance.py` have the
//! other side.

#[path = "../support/chance.rs"]
mod chance;
mod edits;
#[path = "../support/eyes.rs"]
mod eyes;
mod fixture;
mod guided;
mod guides;
mod job;
mod mtcnn;
mod networks;
mod published;
mod regions;
mod schedules;
mod torch_files;
mod trained;
mod universal;
mod walks;

use std::env;

use guidestar::{
    engine::{Precision, wgsl::Options},
    models::{Random, Unet, config::UnetConfig},
    tensor::{DType, Device},
};

/// Every device that is to agree: the processor, and the GPU with each of its ways to store numbers, unless
/// `GUIDESTAR_TEST_GPU=no` leaves it out.
fn devices() -> Vec<Device> {
    let mut devices = vec![Device::cpu().expect("a processor is always there")];
    if env::var("GUIDESTAR_TEST_GPU").is_ok_and(|value| value == "no") {
        return devices;
    }
    for (precision, packed) in [
        (Precision::F32, false),
        (Precision::F16, false),
        (Precision::F16, true),
    ] {
        let options = Options {
            precision,
            packed,
            ..Options::default()
        };
        let gpu = pollster::block_on(Device::gpu(options));
        devices.push(gpu.expect("a GPU, or Mesa's software one"));
    }
    devices
}

/// Greatest normalised mean square error of one pass through a small network.
fn pass_limit(device: &Device) -> f64 {
    match device.dtype() {
        DType::F32 => 1e-7,
        DType::F16 => 1e-4,
    }
}

/// The small U-Net with drawn parameters.
fn unet(device: &Device) -> Unet {
    Unet::new(&UnetConfig::tiny(), &mut Random::new(device)).expect("a drawn network is complete")
}
