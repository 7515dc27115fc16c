//! Gradients go through networks from files: they are what central differences say.

use std::fs;

use guidestar::{
    models::onnx::Network,
    tensor::{Device, Keep, Tensor},
};

use crate::{
    beside, cpu, elements,
    networks::{picture, uniform},
    skip,
};

/// A sum of a network's outputs with drawn weights, the same at each call.
fn score(network: &Network, x: &Tensor) -> Tensor {
    let outputs = network.forward(x).expect("the network runs");
    let sums = outputs.iter().map(|output| {
        let count = output.tensor.shape().elements();
        let weights = (0..count).map(|index| uniform(&output.name, index as u64));
        let weights = x.device().tensor([1, count], weights.collect());
        output.tensor.reshape([1, count]).mul(&weights).sum(&[1])
    });
    sums.reduce(|sum, more| sum.add(&more)).expect("an output")
}

/// Holds the gradient along itself to what a step there and a step back differ by.
fn judge(network: &Network, device: &Device, numbers: &[f32], size: usize, step: f32, limit: f64) {
    let shape = [1, size, size, 3];
    let tracked = device.tensor(shape, numbers.to_vec()).tracked(Keep::All);
    let gradient = score(network, &tracked)
        .gradient(&[&tracked], 1.0)
        .expect("a gradient");
    let gradient = elements(&gradient[0]);
    assert!(gradient.iter().all(|x| x.is_finite()));
    let size: f64 = gradient
        .iter()
        .map(|&x| f64::from(x).powi(2))
        .sum::<f64>()
        .sqrt();
    assert!(size > 0.0);
    // Along the gradient the difference is greatest, and rounding least.
    let at = |share: f32| {
        let moved = numbers
            .iter()
            .zip(&gradient)
            .map(|(x, g)| x + share * g / size as f32);
        f64::from(elements(&score(network, &device.tensor(shape, moved.collect())))[0])
    };
    // A long step goes over many kinks, a short one is lost in rounding: one of them has to fit.
    let off = [1.0, 0.25, 0.0625].map(|share| {
        let slope = (at(share * step) - at(-share * step)) / f64::from(2.0 * share * step);
        (slope / size - 1.0).abs()
    });
    eprintln!("along a gradient of {size:.5}, three steps are off by {off:?}");
    assert!(
        off.iter().any(|&off| off < limit),
        "{off:?} off along a gradient of {size}"
    );
}

/// A network beside the repository.
fn real(name: &str, size: usize, [scale, shift]: [f32; 2], step: f32) {
    let Some(path) = beside(&format!("shared/networks/{name}.onnx")) else {
        return skip(name, "there is no shared/networks beside the repository");
    };
    let device = cpu();
    let bytes = fs::read(path).expect("a network");
    let network = Network::read(name, bytes, &device, None).expect("it is read");
    // Where pixels are alike a maximum has no slope.
    let grain = (0..).map(|index| uniform("grain", index) * scale / 4.0);
    let picture = picture(name, size, scale, shift).into_iter().zip(grain);
    let numbers: Vec<f32> = picture.map(|(x, grain)| x + grain).collect();
    judge(&network, &device, &numbers, size, step, 1e-2);
}

#[test]
fn mobile_face_nets_gradient_is_what_central_differences_say() {
    real("MobileFaceNet", 112, [1.5, 0.0], 4e-3);
}

#[test]
fn yunets_gradient_is_what_central_differences_say() {
    real("yunet_n", 320, [127.5, 127.5], 1.0);
}

#[test]
fn fastest_dets_gradient_is_what_central_differences_say() {
    real("FastestDet", 352, [0.5, 0.5], 1e-3);
}

#[test]
fn a_small_networks_gradient_is_what_central_differences_say() {
    let device = cpu();
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/onnx/small.onnx"
    );
    let bytes = fs::read(path).expect("a fixture");
    let network = Network::read("small.onnx", bytes, &device, None).expect("it is read");
    judge(
        &network,
        &device,
        &picture("small", 16, 1.0, 0.0),
        16,
        1e-2,
        1e-2,
    );
}
