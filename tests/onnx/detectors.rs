//! Detectors from files as guides: boxes are pulled to where they are to be, however an output spells them.

use std::fs;

use guidestar::{
    guidance::{
        network::{ClassBox, Detector},
        universal::Guide,
    },
    models::{Input, onnx::Network},
    tensor::{Device, Keep, Tensor},
};
use pollster::block_on;

use crate::{beside, cpu, elements, networks::uniform, skip};

const WANTED: ClassBox = ClassBox {
    class: 1,
    bounds: [0.1, 0.2, 0.6, 0.9],
};

fn read(name: &str, device: &Device) -> Network {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx");
    let bytes = fs::read(format!("{folder}/{name}.onnx")).expect("a fixture");
    Network::read(name, bytes, device, None).expect("a network")
}

fn picture(device: &Device, size: usize) -> Tensor {
    let numbers = (0..size * size * 3).map(|at| uniform("scene", at as u64) / 2.0 + 0.5);
    device.tensor([1, size, size, 3], numbers.collect())
}

fn loss(guide: &Detector, image: &Tensor) -> f32 {
    elements(&guide.loss(image).expect("a loss"))[0]
}

/// Follows the gradient: it is what the loss says, and leads to where the detector sees the thing.
fn judge(name: &str, guide: &Detector, image: &Tensor, step: f32, turns: usize) {
    let device = image.device();
    let shape = image.shape().clone();
    let score = |image: &Tensor| {
        block_on(guide.prepare(image)).expect("the device computes");
        elements(&guide.score(image).expect("a score"))[0]
    };
    let before = score(image);
    let mut numbers = elements(image);
    let mut losses = Vec::new();
    for turn in 0..turns {
        let here = device.tensor(shape.clone(), numbers.clone());
        let leaf = here.tracked(Keep::All);
        block_on(guide.prepare(&here)).expect("the device computes");
        let start = guide.loss(&leaf).expect("a loss");
        let gradient = elements(&start.gradient(&[&leaf], 1.0).expect("a gradient")[0]);
        losses.push(elements(&start)[0]);
        let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        assert!(size > 0.0 && size.is_finite(), "{name}: {size}");
        let moved = |by: f32| {
            let pairs = numbers.iter().zip(&gradient);
            pairs.map(|(x, g)| x + by * g / size).collect::<Vec<f32>>()
        };
        if turn == 0 {
            // The choice of predictions is a constant of the gradient: it stays what it was here.
            let at = |by: f32| {
                block_on(guide.prepare(&here)).expect("the device computes");
                loss(guide, &device.tensor(shape.clone(), moved(by)))
            };
            let off =
                [0.1, 0.02, 0.004].map(|by| ((at(by) - at(-by)) / (2.0 * by) / size - 1.0).abs());
            assert!(off.iter().any(|&off| off < 0.03), "{name}: {off:?}");
        }
        numbers = moved(-step);
    }
    let after = score(&device.tensor(shape.clone(), numbers));
    eprintln!("{name}: losses {losses:.3?}, score {before:.3} to {after:.3}");
    assert!(losses.last() < losses.first(), "{name}: {losses:?}");
    assert!(after > before, "{name}: {after} after {before}");
}

#[test]
fn boxes_are_pulled_to_where_they_are_to_be() {
    let device = cpu();
    for name in ["cells", "rows", "columns"] {
        let network = read(name, &device);
        let input = Input::default()
            .sized_for(&network)
            .on(&device)
            .expect("room");
        let image = picture(&device, 64);
        let guide = Detector::new(network, input, None, vec![WANTED], &image).expect("a guide");
        judge(name, &guide, &image, 1.0, 12);
    }
}

#[test]
fn a_real_detector_is_pulled_to_a_person_where_there_is_none() {
    let Some(path) = beside("shared/networks/FastestDet.onnx") else {
        return skip(
            "FastestDet",
            "there is no shared/networks beside the repository",
        );
    };
    let device = cpu();
    let bytes = fs::read(path).expect("a network");
    let network = Network::read("FastestDet", bytes, &device, None).expect("a network");
    let input = Input {
        size: Some([352, 352]),
        bgr: true,
        ..Input::default()
    };
    let input = input.on(&device).expect("room");
    let image = picture(&device, 64);
    let person = ClassBox { class: 0, ..WANTED };
    let guide = Detector::new(network, input, None, vec![person], &image).expect("a guide");
    judge("FastestDet", &guide, &image, 0.5, 3);
}

#[test]
fn boxes_that_no_prediction_can_meet_are_refused() {
    let device = cpu();
    let image = picture(&device, 64);
    let refused = |name: &str, output: Option<&str>, size: bool, wanted: Vec<ClassBox>| {
        let network = read(name, &device);
        let input = Input::default();
        let input = if size {
            input.sized_for(&network)
        } else {
            input
        };
        let input = input.on(&device).expect("room");
        let made = Detector::new(network, input, output, wanted, &image);
        made.err().expect("a refusal").to_string()
    };
    let beyond = ClassBox { class: 3, ..WANTED };
    for (said, words) in [
        (
            refused("cells", None, true, Vec::new()),
            "no box to pull towards",
        ),
        (
            refused("cells", None, true, vec![beyond]),
            "classes 0 to 2, and 3 is none",
        ),
        (
            refused("cells", Some("sky"), true, vec![WANTED]),
            "no output \"sky\"; it has cells",
        ),
        (
            refused("rows", None, false, vec![WANTED]),
            "how large its pictures are",
        ),
        (
            refused("small", None, false, vec![WANTED]),
            "none of a detector",
        ),
    ] {
        assert!(said.contains(words), "{said}");
    }
}
