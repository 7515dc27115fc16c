//! Networks as guides: what they pull towards, and what they refuse.

use std::fs;

use guidestar::{
    guidance::{
        network::{FaceIdentity, FaceSettings, Loss, NetworkGuide, Target, YuNet},
        universal::Guide,
    },
    models::{Input, onnx::Network},
    tensor::{Device, Keep, Tensor},
};

use crate::{beside, cpu, elements, networks::uniform, skip};

fn small(device: &Device) -> Network {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/onnx/small.onnx"
    );
    let bytes = fs::read(path).expect("a fixture");
    Network::read("small.onnx", bytes, device, None).expect("a network")
}

fn drawn(device: &Device, name: &str, size: usize) -> Tensor {
    let numbers = (0..size * size * 3).map(|at| uniform(name, at as u64) / 2.0 + 0.5);
    device.tensor([1, size, size, 3], numbers.collect())
}

fn guide(
    device: &Device,
    output: &str,
    loss: Loss,
    target: &Target,
) -> guidestar::Result<NetworkGuide> {
    let input = Input::default().on(device)?;
    let like = drawn(device, "like", 16);
    NetworkGuide::new(small(device), input, Some(output), loss, target, &like)
}

#[test]
fn a_picture_is_at_its_own_target_and_others_are_pulled_there() {
    let device = cpu();
    let goal = drawn(&device, "goal", 16);
    for loss in [Loss::Cosine, Loss::L1, Loss::L2, Loss::Gram] {
        let target = Target::Picture(goal.clone());
        let guide = guide(&device, "map", loss, &target).expect("a guide");
        let reached = elements(&guide.loss(&goal).expect("a loss"))[0];
        assert!(reached.abs() < 1e-6, "{loss:?}: {reached}");
        // A small step against the gradient comes nearer.
        let numbers = elements(&drawn(&device, "other", 16));
        let at = |numbers: Vec<f32>| device.tensor([1, 16, 16, 3], numbers);
        let x = at(numbers.clone()).tracked(Keep::All);
        let start = guide.loss(&x).expect("a loss");
        let gradient = elements(&start.gradient(&[&x], 1.0).expect("a gradient")[0]);
        let size: f32 = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        assert!(size > 0.0, "{loss:?}");
        let moved = numbers
            .iter()
            .zip(&gradient)
            .map(|(x, g)| x - 0.02 * g / size);
        let nearer = elements(&guide.loss(&at(moved.collect())).expect("a loss"))[0];
        let start = elements(&start)[0];
        assert!(nearer < start, "{loss:?}: {nearer} after {start}");
    }
}

#[test]
fn losses_are_their_formulas() {
    let device = cpu();
    let [a, b] = ["a", "b"].map(|name| (0..12).map(|at| uniform(name, at)).collect::<Vec<f32>>());
    let [x, y] = [&a, &b].map(|numbers| device.tensor([1, 3, 2, 2], numbers.clone()));
    let close = |loss: Loss, wanted: f32| {
        let found = elements(&loss.between(&x, &y))[0];
        assert!(
            (found - wanted).abs() < 1e-5,
            "{loss:?}: {found} for {wanted}"
        );
    };
    let pairs = || a.iter().zip(&b);
    close(
        Loss::L1,
        pairs().map(|(a, b)| (a - b).abs()).sum::<f32>() / 12.0,
    );
    close(
        Loss::L2,
        pairs().map(|(a, b)| (a - b).powi(2)).sum::<f32>() / 12.0,
    );
    let size = |numbers: &[f32]| numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
    let product: f32 = pairs().map(|(a, b)| a * b).sum();
    close(Loss::Cosine, 1.0 - product / size(&a) / size(&b));
    let gram = |numbers: &[f32], i: usize, j: usize| {
        (0..4)
            .map(|at| numbers[4 * i + at] * numbers[4 * j + at])
            .sum::<f32>()
            / 12.0
    };
    let cells = (0..9).map(|at| (gram(&a, at / 3, at % 3) - gram(&b, at / 3, at % 3)).powi(2));
    close(Loss::Gram, cells.sum::<f32>() / 9.0);
    // Two places of class 2, one of class 0, one that does not count.
    let classes = [Some(2), None, Some(0), Some(2)];
    let shares = (0..12).map(|at| f32::from(u8::from(classes[at % 4] == Some(at / 4))));
    let map = device.tensor([1, 3, 2, 2], shares.collect());
    let found = elements(&Loss::CrossEntropy.between(&x, &map))[0];
    let place = |(at, class): (usize, &Option<usize>)| {
        let sum: f32 = (0..3).map(|c| a[4 * c + at].exp()).sum();
        class.map(|class| sum.ln() - a[4 * class + at])
    };
    let terms: Vec<f32> = classes.iter().enumerate().filter_map(place).collect();
    let wanted = terms.iter().sum::<f32>() / terms.len() as f32;
    assert!((found - wanted).abs() < 1e-5, "{found} for {wanted}");
}

#[test]
fn a_target_that_does_not_fit_is_refused_in_words() {
    let device = cpu();
    let cases = [
        (
            "probabilities",
            Target::Class(5),
            "the network knows classes 0 to 4, and 5 is none",
        ),
        (
            "probabilities",
            Target::Output(vec![0.0; 3]),
            "the target has 3 numbers, and the network's output [1, 5] has 5",
        ),
        (
            "map",
            Target::Map(vec![Some(0); 9]),
            "the map has 9 places, and the network's output [1, 4, 16, 16] has 256",
        ),
        (
            "map",
            Target::Map(vec![Some(4); 256]),
            "the network knows classes 0 to 3, and 4 is none",
        ),
        (
            "sky",
            Target::Class(0),
            "the network has no output \"sky\"; it has probabilities, map",
        ),
    ];
    for (output, target, words) in cases {
        let refused = guide(&device, output, Loss::CrossEntropy, &target);
        assert_eq!(
            refused.err().map(|error| error.to_string()).as_deref(),
            Some(words)
        );
    }
}

#[test]
fn without_a_face_there_is_no_identity_to_pull_towards() {
    let device = cpu();
    let read = |name: &str| {
        beside(&format!("shared/networks/{name}.onnx"))
            .map(|path| fs::read(path).expect("a network"))
    };
    let (Some(detector), Some(recogniser)) = (read("yunet_n"), read("MobileFaceNet")) else {
        return skip("faces", "there is no shared/networks beside the repository");
    };
    let detector = YuNet::new("yunet_n", detector, &device).expect("a detector");
    let network =
        Network::read("MobileFaceNet", recogniser.clone(), &device, None).expect("a network");
    let input = Input {
        size: Some([112, 112]),
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        ..Input::default()
    };
    let noise = drawn(&device, "noise", 64);
    let prepared = input.on(&device).expect("room");
    let settings = FaceSettings::default();
    let identity = FaceIdentity::new(network, prepared, Some(detector.into()), settings, &noise);
    let refused = pollster::block_on(identity)
        .err()
        .expect("noise shows no face");
    assert!(refused.to_string().contains("shows no face"), "{refused}");
    // Without a detector the middle is taken.
    for crop in [true, false] {
        let network = Network::read("MobileFaceNet", recogniser.clone(), &device, None);
        let prepared = input.on(&device).expect("room");
        let settings = FaceSettings { crop, ..settings };
        let identity = FaceIdentity::new(
            network.expect("a network"),
            prepared,
            None,
            settings,
            &noise,
        );
        let identity = pollster::block_on(identity).expect("a middle");
        let loss = |image: &Tensor| {
            let skipped = pollster::block_on(identity.prepare(image)).expect("a middle");
            assert_eq!(skipped, 0);
            elements(&identity.loss(image).expect("a loss"))[0]
        };
        assert!(loss(&noise).abs() < 1e-5);
        assert!(loss(&drawn(&device, "another", 96)) > 1e-3);
    }
}

#[test]
fn another_network_is_no_face_detector() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/onnx/small.onnx"
    );
    let refused = YuNet::new("small.onnx", fs::read(path).expect("a fixture"), &cpu()).err();
    let text = refused.expect("it has other outputs").to_string();
    assert!(text.contains("it is no YuNet"), "{text}");
}
