//! Guides that are networks: their gradients are central differences on every engine, and following them helps.

use std::rc::Rc;

use guidestar::{
    guidance::{
        network::matched::{Angle, Boxed, Boxes, Cutout, Meaning, Naming, Style, Trait},
        universal::Guide,
    },
    models::{
        Random,
        guides::{Eyes, Question, TextTower},
    },
    tensor::{Device, Keep, Tensor},
};
use pollster::block_on;

use crate::{devices_once, eyes, read, support::Generator};

/// Height and width of the pictures: no square, and not the eyes' own size.
const SIZE: [usize; 2] = [40, 56];
/// How far along a direction both ends of a difference are, in lengths of pictures.
const STEP: f64 = 0.02;
/// Greatest error of a slope, as a part of the steepest. Losses are computed in f32, and networks have kinks.
const LIMIT: f64 = 0.02;
/// Greatest distance between two engines' gradients, as a part of their length.
const APART: f64 = 1e-4;

fn drawn(seed: u64, channels: usize) -> Vec<f32> {
    let host = Generator::new(seed).host(
        &[1, SIZE[0], SIZE[1], channels].into(),
        crate::support::Draw::Positive,
    );
    host.data.iter().map(|&x| x as f32).collect()
}

fn picture(device: &Device, numbers: &[f32]) -> Tensor {
    device.tensor([1, SIZE[0], SIZE[1], 3], numbers.to_vec())
}

/// A mask whose left half is foreground.
fn half(device: &Device) -> Tensor {
    let [h, w] = SIZE;
    let left = (0..h * w).map(|at| f32::from(u8::from(at % w < w / 2)));
    device.tensor([1, h, w, 1], left.collect())
}

fn guides(device: &Device) -> Vec<Box<dyn Guide>> {
    let config = eyes::config();
    let eyes = Rc::new(Eyes::new(&config, &mut Random::new(device)).expect("it fits"));
    let text = config.text.as_ref().expect("a text tower");
    let tower = TextTower::new(text, config.embedding, &mut Random::new(device)).expect("it fits");
    let goal = picture(device, &drawn(2, 3));
    let boxed = |thing: &str, bounds| Boxed {
        thing: thing.to_owned(),
        bounds,
    };
    let wanted = [
        boxed("2", [0.1, 0.2, 0.5, 0.9]),
        boxed("5", [0.6, 0.1, 0.9, 0.4]),
    ];
    let meaning = |angle| Meaning::new(&eyes, &tower, &[1, 7, 9, 2, 2], 2, angle).expect("it fits");
    vec![
        Box::new(Naming::new(&eyes, Question::Thing, "3").expect("it fits")),
        Box::new(Naming::new(&eyes, Question::Colour, "1").expect("it fits")),
        Box::new(block_on(Cutout::mask(&eyes, &half(device))).expect("it fits")),
        Box::new(block_on(Cutout::picture(&eyes, &goal)).expect("it fits")),
        Box::new(block_on(Style::new(&eyes, &goal, Trait::Gram)).expect("it fits")),
        Box::new(block_on(Style::new(&eyes, &goal, Trait::Embedding)).expect("it fits")),
        Box::new(meaning(Angle::Cosine)),
        Box::new(meaning(Angle::Spherical)),
        Box::new(Boxes::new(&eyes, &wanted).expect("it fits")),
    ]
}

fn slope(guide: &dyn Guide, image: &Tensor) -> Vec<f32> {
    let leaf = image.tracked(Keep::All);
    let loss = guide.loss(&leaf).expect("the picture fits");
    read(&loss.gradient(&[&leaf], 1.0).expect("the rule is known")[0])
}

fn length(numbers: &[f32]) -> f64 {
    let squares = numbers.iter().map(|&x| f64::from(x).powi(2));
    squares.sum::<f64>().sqrt()
}

/// Fails unless the gradient says how the loss changes along itself and along a drawn direction, and following it helps.
fn judge(what: &str, guide: &dyn Guide, device: &Device, numbers: &[f32], gradient: &[f32]) {
    let steepest = length(gradient);
    assert!(steepest > 0.0, "{what}: no slope");
    let at = |direction: &[f32], step: f64| {
        let factor = step / length(direction);
        let moved = numbers.iter().zip(direction);
        let moved: Vec<f32> = moved
            .map(|(&x, &d)| (f64::from(x) + factor * f64::from(d)) as f32)
            .collect();
        f64::from(read(&guide.loss(&picture(device, &moved)).expect("it fits"))[0])
    };
    let other: Vec<f32> = drawn(5, 3).iter().map(|x| x - 1.0).collect();
    for direction in [gradient, &other[..]] {
        let products = gradient.iter().zip(direction);
        let product: f64 = products.map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
        let said = product / length(direction);
        let found = (at(direction, STEP) - at(direction, -STEP)) / (2.0 * STEP);
        let error = (said - found).abs() / steepest;
        eprintln!("{what}: slope {said:.6}, difference {found:.6}");
        assert!(error < LIMIT, "{what}: {said} for {found}");
    }
    let [before, after] = [at(gradient, 0.0), at(gradient, -0.1)];
    assert!(after < before, "{what}: {after} after {before}");
}

#[test]
fn guides_pull_where_their_losses_fall() {
    let numbers = drawn(3, 3);
    let mut first: Vec<Vec<f32>> = Vec::new();
    for (name, device, _) in devices_once().iter().take(2) {
        for (at, guide) in guides(device).iter().enumerate() {
            let what = format!("{} ({at}) on {name}", guide.name());
            let gradient = slope(&**guide, &picture(device, &numbers));
            if first.len() <= at {
                judge(&what, &**guide, device, &numbers, &gradient);
                first.push(gradient);
                continue;
            }
            let pairs = gradient.iter().zip(&first[at]);
            let difference: Vec<f32> = pairs.map(|(a, b)| a - b).collect();
            let apart = length(&difference) / length(&first[at]);
            eprintln!("{what}: {apart:.1e} from the processor's");
            assert!(apart < APART, "{what}: {apart}");
        }
    }
}

#[test]
fn rows_of_pictures_are_judged_apart() {
    let device = Device::cpu().expect("a processor");
    let [a, b] = [3, 4].map(|seed| picture(&device, &drawn(seed, 3)));
    let both = Tensor::concat(&[&a, &b], 0);
    for guide in guides(&device) {
        let judged = |image: &Tensor| {
            let [loss, score] = [guide.loss(image), guide.score(image)];
            [
                read(&loss.expect("it fits")),
                read(&score.expect("it fits")),
            ]
        };
        let [apart, together] = [[judged(&a), judged(&b)], [judged(&both), judged(&both)]];
        for (which, what) in ["loss", "score"].into_iter().enumerate() {
            for row in 0..2 {
                let [alone, among] = [apart[row][which][0], together[0][which][row]];
                let off = (alone - among).abs();
                assert!(
                    off < 1e-4 * alone.abs().max(1.0),
                    "{} of {}: {alone} and {among}",
                    what,
                    guide.name()
                );
            }
        }
    }
}
