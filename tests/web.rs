//! The engine in a browser: WebGPU opens in a worker, and gives what the published implementation gives.
//!
//! `./dev test` runs this in headless Chromium on a software adapter without `shader-f16`, so that the path with packed
//! pairs is what it judges; `tests/dawn/` has the other one.

use guidestar::web::{DrawnUnet, Gpu};
use safetensors::SafeTensors;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

const FIXTURE: &[u8] = include_bytes!("fixtures/unet_rows.safetensors");

/// Four bytes each, and the shape.
fn words(name: &str) -> (Vec<[u8; 4]>, Vec<usize>) {
    let file = SafeTensors::deserialize(FIXTURE).unwrap();
    let view = file.tensor(name).unwrap();
    (view.data().as_chunks().0.to_vec(), view.shape().to_vec())
}

fn floats(name: &str) -> Vec<f32> {
    let (words, _) = words(name);
    words.into_iter().map(f32::from_le_bytes).collect()
}

async fn open(precision: &str) -> Gpu {
    let gpu = Gpu::open(precision.to_owned()).await;
    gpu.unwrap_or_else(|_| panic!("no WebGPU device for {precision}"))
}

async fn unet_step_is_that_of_diffusers(precision: &str, limit: f64) {
    let gpu = open(precision).await;
    let unet = DrawnUnet::new(&gpu).unwrap_or_else(|_| panic!("no room"));
    let shape = words("x").1;
    let t = words("t").0.into_iter().map(u32::from_le_bytes);
    let t: Vec<_> = t.map(|t| t as usize).collect();
    let found = unet.forward(floats("x"), shape, t, floats("context")).await;
    let found = found.unwrap_or_else(|_| panic!("the device failed"));
    let expected = floats("output");
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|x| x.is_finite()), "not a number");
    let square = |x: f64| x * x;
    let pairs = found.iter().zip(&expected);
    let errors: f64 = pairs
        .map(|(&a, &b)| square(f64::from(a) - f64::from(b)))
        .sum();
    let norm: f64 = expected.iter().map(|&b| square(f64::from(b))).sum();
    let nmse = errors / norm;
    assert!(
        nmse <= limit,
        "{precision}: nmse {nmse:.2e} over {limit:.0e}"
    );
}

#[wasm_bindgen_test]
async fn device_opens_without_f16() {
    let details = open("auto").await.details();
    let storage = details.get(&"storage".into());
    assert_eq!(storage.as_string().as_deref(), Some("PackedF16"));
}

#[wasm_bindgen_test]
async fn unet_step_in_f32_is_that_of_diffusers() {
    unet_step_is_that_of_diffusers("f32", 1e-7).await;
}

#[wasm_bindgen_test]
async fn unet_step_in_packed_f16_is_that_of_diffusers() {
    unet_step_is_that_of_diffusers("f16", 1e-4).await;
}
