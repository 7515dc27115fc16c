//! Face identity on drawn faces, which the detector takes for real ones.

use std::fs;

use guidestar::{
    guidance::{
        network::{FaceIdentity, FaceSettings, Loss, YuNet},
        universal::Guide,
    },
    models::{Input, onnx::Network},
    tensor::{Device, Keep, Tensor},
};
use pollster::block_on;

use crate::{
    beside, cpu,
    drawn_faces::{Drawn, ONE, SIZE},
    elements,
    networks::uniform,
    skip,
};

const OTHER: Drawn = Drawn {
    middle: [90.0, 80.0],
    radius: 30.0,
    skin: [0.72, 0.52, 0.42],
    hair: [0.75, 0.62, 0.35],
    eyes: 0.39,
    mouth: 0.38,
};

fn picture(device: &Device, numbers: &[f32]) -> Tensor {
    device.tensor([1, SIZE, SIZE, 3], numbers.to_vec())
}

fn noise(device: &Device) -> Tensor {
    let numbers = (0..SIZE * SIZE * 3).map(|at| uniform("noise", at as u64) / 2.0 + 0.5);
    picture(device, &numbers.collect::<Vec<_>>())
}

/// Towards [`ONE`]'s face; nothing without the networks.
fn identity(device: &Device, settings: FaceSettings) -> Option<FaceIdentity> {
    let read = |name: &str| {
        beside(&format!("shared/networks/{name}.onnx"))
            .map(|path| fs::read(path).expect("a network"))
    };
    let (Some(detector), Some(recogniser)) = (read("yunet_n"), read("MobileFaceNet")) else {
        skip("faces", "there is no shared/networks beside the repository");
        return None;
    };
    let detector = YuNet::new("yunet_n", detector, device).expect("a detector");
    let network = Network::read("MobileFaceNet", recogniser, device, None).expect("a network");
    let input = Input {
        size: Some([112, 112]),
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        ..Input::default()
    };
    let input = input.on(device).expect("room");
    let target = picture(device, &ONE.pixels());
    let guide = FaceIdentity::new(network, input, Some(detector.into()), settings, &target);
    Some(block_on(guide).expect("the detector finds it"))
}

fn loss(guide: &FaceIdentity, image: &Tensor) -> f32 {
    let skipped = block_on(guide.prepare(image)).expect("the device computes");
    assert_eq!(skipped, 0, "a face");
    elements(&guide.loss(image).expect("a loss"))[0]
}

#[test]
fn a_face_is_at_its_own_target_wherever_it_is_and_another_is_pulled_there() {
    let device = cpu();
    for kind in [Loss::Cosine, Loss::L1] {
        let settings = FaceSettings {
            loss: kind,
            ..FaceSettings::default()
        };
        let Some(guide) = identity(&device, settings) else {
            return;
        };
        let numbers = OTHER.pixels();
        let same = loss(&guide, &picture(&device, &ONE.pixels()));
        let moved = Drawn {
            middle: [95.0, 70.0],
            radius: 40.0,
            ..ONE
        };
        let moved = loss(&guide, &picture(&device, &moved.pixels()));
        let image = picture(&device, &numbers);
        let another = loss(&guide, &image);
        eprintln!("{kind:?}: itself {same:.5}, moved {moved:.4}, another {another:.4}");
        assert!(same < 1e-4, "{kind:?}: {same}");
        assert!(moved < 0.8 * another, "{kind:?}: {moved} and {another}");

        let leaf = image.tracked(Keep::All);
        block_on(guide.prepare(&image)).expect("the device computes");
        let gradient = guide.loss(&leaf).expect("a loss").gradient(&[&leaf], 1.0);
        let gradient = elements(&gradient.expect("a gradient")[0]);
        let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        let at = |step: f32| {
            let pairs = numbers.iter().zip(&gradient);
            let shifted: Vec<f32> = pairs.map(|(x, g)| x + step * g / size).collect();
            // Boxes are constants of a gradient: they stay where they were.
            block_on(guide.prepare(&image)).expect("the device computes");
            elements(&guide.loss(&picture(&device, &shifted)).expect("a loss"))[0]
        };
        let slope = (at(0.01) - at(-0.01)) / 0.02;
        eprintln!("{kind:?}: slope {slope:.5} along a gradient of {size:.5}");
        assert!((slope / size - 1.0).abs() < 0.03, "{kind:?}");
        assert!(at(-1.0) < 0.9 * another, "{kind:?}: {}", at(-1.0));
    }
}

#[test]
fn a_picture_without_a_face_is_not_guided() {
    let device = cpu();
    let Some(guide) = identity(&device, FaceSettings::default()) else {
        return;
    };
    let faceless = noise(&device);
    let both = Tensor::concat(&[&faceless, &picture(&device, &OTHER.pixels())], 0);
    let leaf = both.tracked(Keep::All);
    assert_eq!(
        block_on(guide.prepare(&both)).expect("the device computes"),
        1
    );
    let losses = guide.loss(&leaf).expect("losses");
    let gradient = losses.gradient(&[&leaf], 1.0).expect("a gradient");
    let losses = elements(&losses);
    assert!(losses[0].abs() < f32::EPSILON);
    assert!(losses[1] > 0.01);
    let gradient = elements(&gradient[0]);
    let (without, with) = gradient.split_at(SIZE * SIZE * 3);
    assert!(without.iter().all(|&g| g == 0.0));
    assert!(with.iter().any(|&g| g != 0.0));
    block_on(guide.prepare(&both)).expect("the device computes");
    let scores = elements(&guide.score(&both).expect("scores"));
    assert!((scores[0] + 1.0).abs() < f32::EPSILON);
    assert!(scores[1] > -1.0);
}

#[test]
fn a_face_that_is_taken_to_be_in_the_middle_is_not_looked_for() {
    let device = cpu();
    let settings = FaceSettings {
        centre: true,
        ..FaceSettings::default()
    };
    let Some(guide) = identity(&device, settings) else {
        return;
    };
    assert!(loss(&guide, &noise(&device)) > 0.01);
}
