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

use crate::{beside, cpu, elements, networks::uniform, skip};

const SIZE: usize = 160;

/// A face of ellipses: where it is, how large, and what skin, hair and lips look like.
#[derive(Clone, Copy)]
struct Drawn {
    middle: [f32; 2],
    radius: f32,
    skin: [f32; 3],
    hair: [f32; 3],
    /// How far apart the eyes are, and how wide the mouth is, as shares of the radius.
    eyes: f32,
    mouth: f32,
}

const ONE: Drawn = Drawn {
    middle: [70.0, 75.0],
    radius: 34.0,
    skin: [0.86, 0.67, 0.55],
    hair: [0.27, 0.18, 0.12],
    eyes: 0.35,
    mouth: 0.30,
};
const OTHER: Drawn = Drawn {
    middle: [90.0, 80.0],
    radius: 30.0,
    skin: [0.72, 0.52, 0.42],
    hair: [0.75, 0.62, 0.35],
    eyes: 0.39,
    mouth: 0.38,
};

impl Drawn {
    fn pixels(self) -> Vec<f32> {
        let Self {
            skin, hair, radius, ..
        } = self;
        let darker = skin.map(|x| 0.8 * x);
        let mut ellipses = vec![
            ([0.0, -0.25], [1.0, 1.25], hair),
            ([0.0, 1.2], [0.35, 0.5], darker),
            ([0.0, 2.2], [1.6, 0.9], [0.24, 0.31, 0.47]),
            ([0.0, 0.0], [0.82, 1.1], skin),
            ([0.0, 0.25], [0.13, 0.08], darker),
            ([0.0, 0.56], [self.mouth, 0.09], [0.6, 0.28, 0.28]),
        ];
        for side in [-self.eyes, self.eyes] {
            ellipses.push(([side, -0.42], [0.22, 0.05], hair));
            ellipses.push(([side, -0.14], [0.22, 0.14], darker));
            ellipses.push(([side, -0.15], [0.17, 0.085], [0.94; 3]));
            ellipses.push(([side, -0.15], [0.085, 0.085], [0.15, 0.1, 0.08]));
        }
        let colour = |x: usize, y: usize| {
            let at = [x as f32 - self.middle[0], y as f32 - self.middle[1]].map(|d| d / radius);
            let mut colour = [0.6, 0.67, 0.75];
            for (middle, half, painted) in &ellipses {
                let off = [0, 1].map(|axis| (at[axis] - middle[axis]) / half[axis]);
                let outside = (off[0].hypot(off[1]) - 1.0) * half[0].min(half[1]) * radius;
                let cover = (0.5 - outside / 1.5).clamp(0.0, 1.0);
                colour = [0, 1, 2].map(|c| colour[c] + cover * (painted[c] - colour[c]));
            }
            colour
        };
        (0..SIZE * SIZE)
            .flat_map(|at| colour(at % SIZE, at / SIZE))
            .collect()
    }
}

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
    let guide = FaceIdentity::new(network, input, Some(detector), settings, &target);
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
