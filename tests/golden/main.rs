//! Networks, whole trajectories, schedules and noise are what diffusers, transformers and PyTorch give.
//!
//! Parameters are drawn by name on both sides; `tests/fixtures/make_fixtures.py` has the other side.

mod fixture;
mod networks;
mod schedules;
mod trained;
mod walks;

use guidestar::{
    models::{Random, Unet, config::UnetConfig},
    tensor::{DType, Device},
};

/// Every device that is to agree.
fn devices() -> Vec<Device> {
    vec![Device::cpu().expect("a processor is always there")]
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
