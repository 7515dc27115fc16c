//! A step of a small U-Net through the surface that JavaScript has.

use guidestar::web::{DrawnUnet, Gpu};
use safetensors::{SafeTensors, tensor::TensorView};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Host, assert_close};

const FIXTURE: &[u8] = include_bytes!("../fixtures/unet_rows.safetensors");

fn floats(view: &TensorView) -> Vec<f32> {
    let (words, _) = view.data().as_chunks();
    words.iter().copied().map(f32::from_le_bytes).collect()
}

fn host(shape: &[usize], elements: &[f32]) -> Host {
    Host {
        shape: shape.into(),
        data: elements.iter().copied().map(f64::from).collect(),
    }
}

async fn step_is_that_of_diffusers(precision: &str, limit: f64) {
    let file = SafeTensors::deserialize(FIXTURE).expect("a fixture is a safetensors file");
    let [x, t, context, output] = ["x", "t", "context", "output"]
        .map(|name| file.tensor(name).expect("it is in the fixture"));
    let (t, _) = t.data().as_chunks();
    let t = t.iter().map(|&t| u32::from_le_bytes(t) as usize).collect();

    let gpu = Gpu::open(precision.to_owned()).await;
    let gpu = gpu.unwrap_or_else(|_| panic!("Chromium has WebGPU"));
    let unet = DrawnUnet::new(&gpu).unwrap_or_else(|_| panic!("there is room for a small network"));
    let found = unet.forward(floats(&x), x.shape().to_vec(), t, floats(&context));
    let found = found
        .await
        .unwrap_or_else(|_| panic!("the device computes"));

    let found = host(output.shape(), &found);
    let wanted = host(output.shape(), &floats(&output));
    assert_close(&found, &wanted, limit, &format!("a U-Net in {precision}"));
}

#[wasm_bindgen_test]
async fn step_in_f32_is_that_of_diffusers() {
    step_is_that_of_diffusers("f32", 1e-7).await;
}

#[wasm_bindgen_test]
async fn step_in_packed_f16_is_that_of_diffusers() {
    step_is_that_of_diffusers("f16", 1e-4).await;
}

#[wasm_bindgen_test]
async fn what_does_not_fit_is_refused() {
    let gpu = Gpu::open("auto".to_owned()).await;
    let gpu = gpu.unwrap_or_else(|_| panic!("Chromium has WebGPU"));
    let unet = DrawnUnet::new(&gpu).unwrap_or_else(|_| panic!("there is room for a small network"));
    let output = unet.forward(vec![0.0; 8], vec![1, 2, 1, 4], vec![1], vec![0.0; 31]);
    assert!(output.await.is_err(), "31 numbers are no text");
    assert!(Gpu::open("f8".to_owned()).await.is_err());
}
