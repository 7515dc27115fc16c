//! A small network of our own, of any batch and size, gives onnxruntime's numbers.

use std::fs;

use guidestar::{models::onnx::Network, tensor::Device};
use safetensors::SafeTensors;

use crate::{devices, elements, networks::uniform};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx");

fn small(device: &Device, wanted: Option<&[String]>) -> Network {
    let bytes = fs::read(format!("{FOLDER}/small.onnx")).expect("a fixture");
    Network::read("small.onnx", bytes, device, wanted).expect("a network")
}

fn drawn(device: &Device, shape: [usize; 4]) -> guidestar::tensor::Tensor {
    let count: usize = shape.iter().product();
    let numbers = (0..count).map(|index| uniform("picture", index as u64));
    device.tensor(shape, numbers.collect())
}

#[test]
fn any_batch_and_size_give_onnxruntimes_numbers() {
    let bytes = fs::read(format!("{FOLDER}/small.safetensors")).expect("a fixture");
    let fixture = SafeTensors::deserialize(&bytes).expect("a fixture");
    for (what, device) in devices() {
        let network = small(&device, None);
        for [batch, height, width] in [[2, 16, 24], [1, 20, 8], [2, 16, 24]] {
            let outputs = network.forward(&drawn(&device, [batch, height, width, 3]));
            for output in outputs.expect("the network runs") {
                let key = format!("{height}x{width}/{}", output.name);
                let view = fixture.tensor(&key).expect("a recorded output");
                assert_eq!(view.shape(), &output.tensor.shape()[..], "{key}");
                let (words, _) = view.data().as_chunks::<4>();
                let found = elements(&output.tensor);
                for (found, wanted) in found.iter().zip(words) {
                    let wanted = f32::from_le_bytes(*wanted);
                    let close = (found - wanted).abs() <= 1e-5 + 1e-5 * wanted.abs();
                    assert!(close, "{key} on the {what}: {found} for {wanted}");
                }
            }
        }
    }
}

#[test]
fn any_value_in_the_graph_can_be_an_output() {
    let device = crate::cpu();
    let network = small(&device, Some(&["gated".to_owned(), "flat".to_owned()]));
    let outputs = network
        .forward(&drawn(&device, [1, 16, 16, 3]))
        .expect("the network runs");
    let shapes: Vec<_> = outputs
        .iter()
        .map(|output| output.tensor.shape().to_vec())
        .collect();
    assert_eq!(shapes, [vec![1, 8, 8, 8], vec![1, 16]]);
}

#[test]
fn the_second_picture_finds_the_plan_of_the_first() {
    let [_, (_, device)] = &devices()[..] else {
        return crate::skip("plans", "GUIDESTAR_TEST_GPU=no");
    };
    let network = small(device, None);
    let run = || {
        let outputs = network
            .forward(&drawn(device, [1, 16, 16, 3]))
            .expect("the network runs");
        for output in &outputs {
            assert!(!elements(&output.tensor).is_empty());
        }
        device.counters()
    };
    let [first, second] = [run(), run()];
    assert!(first.plans > 0);
    assert_eq!(first.plans, second.plans);
    assert_eq!(first.pipelines, second.pipelines);
}
