//! Faster R-CNN says and loses what torchvision's does, and its gradient leads to what it is to see.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::rc::Rc;

use guidestar::{
    guidance::{
        network::{COCO, Judged, Regions, matched::Boxed},
        universal::Guide,
    },
    models::{
        Kind, Random, Recorder,
        published::{FasterRcnn, FasterRcnnConfig},
    },
    tensor::{Device, Interpolation, Keep, PadMode, Tensor},
    weights::{Memory, detector},
};
use pollster::block_on;

use super::{
    fixture::Fixture,
    pass_limit,
    published::{Build, file},
};

/// As in the script.
const CONFIG: FasterRcnnConfig = FasterRcnnConfig {
    layers: [2, 1, 1, 1],
    width: 4,
    channels: 8,
    features: 12,
    classes: 5,
    sides_px: [128, 200],
};
const ALL: Judged = Judged {
    anchors: 1 << 20,
    proposals: 40,
    boxes: 1 << 20,
};

fn boxed(thing: &str, bounds: [f32; 4]) -> Boxed {
    Boxed {
        thing: thing.to_owned(),
        bounds,
    }
}

fn wanted() -> [Boxed; 3] {
    [
        boxed("3", [0.1, 0.2, 0.45, 0.9]),
        boxed("1", [0.2, 0.05, 0.97, 0.95]),
        boxed("4", [0.6, 0.3, 0.7, 0.4]),
    ]
}

fn read(tensor: &Tensor) -> Vec<f32> {
    block_on(tensor.read()).unwrap()
}

fn drawn(device: &Device) -> Rc<FasterRcnn> {
    Rc::new(FasterRcnn::new(&CONFIG, &mut Random::new(device)).unwrap())
}

#[test]
fn a_detector_proposes_and_names_what_it_does_in_pytorch() {
    let fixture = Fixture::read("detector");
    let device = Device::cpu().unwrap();
    let network = drawn(&device);
    let image = fixture.tensor("image", &device);
    assert_eq!(CONFIG.fitted([20, 28]), [128, 179]);
    assert_eq!(FasterRcnnConfig::coco().fitted([512, 512]), [800, 800]);
    assert_eq!(FasterRcnnConfig::coco().fitted([512, 1024]), [666, 1333]);
    let fitted = image.resize([128, 179], Interpolation::Bilinear, false);
    let input = FasterRcnnConfig::input()
        .on(&device)
        .unwrap()
        .apply(&fitted);
    let maps = network.maps(&input.pad(&[0; 4], &[0, 0, 13, 0], PadMode::Zero));
    let proposed = network.proposed(&maps);
    let count = proposed.sure.shape()[1];
    let limit = pass_limit(&device);
    fixture.check("sure", &proposed.sure.slice_by(1, 0..count, 7), limit);
    fixture.check("off", &proposed.off.slice_by(1, 0..count, 23), limit);
    let (_, boxes) = fixture.floats("boxes");
    let (boxes, _) = boxes.as_chunks::<4>();
    // From half of 224 pixels a side on a box is cut from the second map.
    let map_of = |[left, top, right, bottom]: [f32; 4]| {
        usize::from(((right - left) * (bottom - top)).sqrt() >= 112.0)
    };
    assert!(boxes.iter().any(|&one| map_of(one) == 1));
    let each = (0..boxes.len()).map(|at| {
        let map = map_of(boxes[at]);
        let stride = (4 << map) as f32;
        let [classes, _] = network.said_of(&maps[map], &boxes[at..=at], stride);
        classes.rows(0..1)
    });
    let each: Vec<_> = each.collect();
    let classes = Tensor::concat(&each.iter().collect::<Vec<_>>(), 0);
    fixture.check("classes", &classes, limit);
}

#[test]
fn a_detector_loses_what_it_does_in_pytorch_and_so_does_its_gradient() {
    let fixture = Fixture::read("detector");
    let device = Device::cpu().unwrap();
    let guide = Regions::new(&drawn(&device), &wanted(), ALL, &device).unwrap();
    let image = fixture.tensor("image", &device);
    let parts = block_on(guide.parts(&image)).unwrap();
    let parts = Tensor::concat(&parts.iter().collect::<Vec<_>>(), 0);
    fixture.check("losses", &parts, pass_limit(&device));

    let leaf = image.tracked(Keep::Milestones);
    block_on(guide.prepare(&image)).unwrap();
    let loss = guide.loss(&leaf).unwrap();
    let total: f32 = read(&parts).iter().sum();
    assert!((read(&loss)[0] - total).abs() < 1e-4);
    let gradient = loss.gradient(&[&leaf], 1.0).unwrap();
    fixture.check("gradient", &gradient[0], 1e-5);

    // Along the gradient, with what is judged kept as it is.
    let gradient = read(&gradient[0]);
    let numbers = read(&image);
    let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    let at = |step: f32| {
        let pairs = numbers.iter().zip(&gradient);
        let moved = pairs.map(|(x, g)| x + step * g / size);
        block_on(guide.prepare(&image)).unwrap();
        let moved = device.tensor(image.shape().clone(), moved.collect());
        read(&guide.loss(&moved).unwrap())[0]
    };
    let off = [0.05, 0.0125, 0.003]
        .map(|step| ((at(step) - at(-step)) / (2.0 * step) / size - 1.0).abs());
    eprintln!("three steps along a gradient of {size:.5} are off by {off:?}");
    assert!(off.iter().any(|&off| off < 0.02), "{size}: {off:?}");
    let unprepared = guide.loss(&image).err().unwrap().to_string();
    assert!(unprepared.contains("not prepared"), "{unprepared}");
}

#[test]
fn what_a_detector_judges_is_drawn_alike_for_the_same_picture() {
    let device = Device::cpu().unwrap();
    let few = Judged {
        anchors: 16,
        proposals: 20,
        boxes: 12,
    };
    let guide = Regions::new(&drawn(&device), &wanted(), few, &device).unwrap();
    let picture = |seed: usize| {
        let numbers = (0..20 * 20 * 3).map(|at| (at * seed % 31) as f32 / 31.0);
        device.tensor([1, 20, 20, 3], numbers.collect())
    };
    let both = Tensor::concat(&[&picture(13), &picture(17)], 0);
    let loss = |image: &Tensor| {
        block_on(guide.prepare(image)).unwrap();
        read(&guide.loss(image).unwrap())
    };
    let together = loss(&both);
    assert_eq!(together, loss(&both));
    let alone = loss(&picture(17))[0];
    assert!(
        (together[1] - alone).abs() < 1e-5,
        "{together:?} and {alone}"
    );
    let scores = read(&guide.score(&both).unwrap());
    assert!(
        scores.iter().all(|score| (0.0..=1.0).contains(score)),
        "{scores:?}"
    );
}

#[test]
fn a_detector_is_read_from_its_weights_and_knows_its_things() {
    let device = Device::cpu().unwrap();
    let all: &Build = &|p| FasterRcnn::new(&CONFIG, p).map(drop);
    let stored = Rc::new(Memory::new("net", file(&device, str::to_owned, &[all])));
    let found = block_on(detector::read(stored, &device)).unwrap();
    let sized = FasterRcnnConfig {
        sides_px: [800, 1333],
        ..CONFIG
    };
    assert_eq!(*found.config(), sized);
    let maps = |network: &FasterRcnn| {
        let numbers = (0..64 * 64 * 3).map(|at| (at * 13 % 29) as f32 / 14.0 - 1.0);
        let image = device.tensor([1, 64, 64, 3], numbers.collect());
        read(&network.maps(&image)[3])
    };
    assert_eq!(maps(&found), maps(&drawn(&device)));
    let other = Rc::new(Memory::new("other", file(&device, str::to_owned, &[])));
    let other = block_on(detector::read(other, &device)).err().unwrap();
    assert!(
        other.to_string().contains("fasterrcnn_resnet50_fpn_v2"),
        "{other}"
    );

    // As many parameters as torchvision says its public file has.
    let coco = FasterRcnnConfig::coco();
    let needed = Recorder::record(|p| FasterRcnn::new(&coco, p)).unwrap();
    let counted = |name: &str| name.ends_with("running_mean") || name.ends_with("running_var");
    let parameters = needed.iter().filter(|needed| !counted(&needed.name));
    let count: usize = parameters.map(|needed| needed.kind.elements()).sum();
    assert_eq!(count, 43_712_278);
    let last = needed
        .iter()
        .find(|needed| needed.name.ends_with("cls_score.bias"));
    assert_eq!(last.unwrap().kind, Kind::Vector(COCO.len()));

    let refused = |boxes: &[Boxed]| {
        let guide = Regions::new(&drawn(&device), boxes, ALL, &device);
        guide.err().unwrap().to_string()
    };
    let said = refused(&[boxed("dog", [0.0, 0.0, 1.0, 1.0])]);
    assert!(said.contains("by number, 1 to 4"), "{said}");
    assert!(refused(&[]).contains("no box"));
}
