//! The engine in a browser: WebGPU opens in a worker, and gives what references and published implementations give.
//!
//! `./dev test` runs this in headless Chromium on a software adapter without `shader-f16`, so that the path with packed
//! pairs is what it judges; `tests/dawn/` has the other one.

mod edits;
mod jobs;
mod kernels;
mod memory;
mod models;
mod page;
#[expect(
    dead_code,
    reason = "a browser is judged by fewer cases than a native device"
)]
#[path = "../support/operations/mod.rs"]
mod support;
mod unet;

use guidestar::tensor::{Device, GpuOptions, Precision};
use support::{F16_LIMIT, GPU_F32_LIMIT};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// The browser's GPU in each way it may store numbers, with the greatest error that an operation may make.
async fn devices() -> [(&'static str, Device, f64); 2] {
    [
        ("f32", open(Precision::F32).await, GPU_F32_LIMIT),
        ("packed f16", open(Precision::F16).await, F16_LIMIT),
    ]
}

async fn open(precision: Precision) -> Device {
    let options = GpuOptions {
        precision,
        ..GpuOptions::default()
    };
    Device::gpu(options).await.expect("Chromium has WebGPU")
}

#[wasm_bindgen_test]
async fn a_gpu_without_f16_is_not_refused() {
    let device = open(Precision::Auto).await;
    let mut details = device.info().details.iter();
    let storage = details.find(|(name, _)| name == "storage");
    assert_eq!(storage.map(|(_, value)| value.as_str()), Some("PackedF16"));
}
