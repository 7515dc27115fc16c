//! Networks from ONNX files compute what onnxruntime and the standard's own tests say, and files that are wrong say how.

#[path = "../support/chance.rs"]
mod chance;
mod detectors;
#[path = "../support/faces.rs"]
mod drawn_faces;
mod faces;
mod gradients;
mod guides;
mod networks;
mod refusals;
mod slopes;
mod small;
mod standard;

use std::path::PathBuf;

use guidestar::tensor::{Device, GpuOptions, Precision};

/// The processor, and the GPU or what plays one unless `GUIDESTAR_TEST_GPU=no` leaves it out, in f32.
fn devices() -> Vec<(&'static str, Device)> {
    let mut devices = vec![("cpu", cpu())];
    if std::env::var("GUIDESTAR_TEST_GPU").is_ok_and(|value| value == "no") {
        return devices;
    }
    let options = GpuOptions {
        precision: Precision::F32,
        ..GpuOptions::default()
    };
    let gpu = pollster::block_on(Device::gpu(options));
    devices.push((
        "gpu",
        gpu.expect("a GPU, or mesa-vulkan-drivers for one in software"),
    ));
    devices
}

fn cpu() -> Device {
    Device::cpu().expect("the processor is always there")
}

/// A folder beside the repository, or in one that an environment variable names.
fn beside(path: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut above = root.ancestors().skip(1);
    above.find_map(|folder| Some(folder.join(path)).filter(|path| path.exists()))
}

/// Says that a test did nothing, and why.
fn skip(what: &str, why: &str) {
    eprintln!("left out: {what}: {why}");
}

fn elements(tensor: &guidestar::tensor::Tensor) -> Vec<f32> {
    pollster::block_on(tensor.read()).expect("the device computes")
}
