//! MTCNN finds the faces that facenet-pytorch finds, from its weights in one file or in three.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::rc::Rc;

use guidestar::{
    guidance::network::{Face, Mtcnn, MtcnnSettings},
    models::{
        Random, Recorder,
        published::{MtcnnStages, Sighting},
    },
    tensor::{Device, Tensor},
    weights::{Memory, WeightSource, face_finder},
};
use pollster::block_on;

use super::{
    fixture::Fixture,
    pass_limit,
    published::{Build, file},
};

/// As in the script: drawn networks are less sure of faces than trained ones.
fn settings() -> MtcnnSettings {
    MtcnnSettings {
        least_scores: [0.6, 0.25, 0.7],
        ..MtcnnSettings::default()
    }
}

#[test]
fn each_network_of_mtcnn_says_what_it_says_in_pytorch() {
    let fixture = Fixture::read("mtcnn");
    let device = Device::cpu().unwrap();
    let stages = MtcnnStages::new(&mut Random::new(&device)).unwrap();
    let given = |name: &str| fixture.tensor(&format!("{name}/looks"), &device);
    let check = |name: &str, seen: &Sighting| {
        let limit = pass_limit(&device);
        fixture.check(&format!("{name}/sure"), &seen.sure, limit);
        fixture.check(&format!("{name}/off"), &seen.off, limit);
        if let Some(points) = &seen.points {
            fixture.check(&format!("{name}/points"), points, limit);
        }
    };
    check("pnet", &stages.pnet.forward(&given("rnet")));
    check("rnet", &stages.rnet.forward(&given("rnet")));
    check("onet", &stages.onet.forward(&given("onet")));
}

fn found(stages: MtcnnStages, image: &Tensor) -> Vec<Face> {
    block_on(Mtcnn::new(stages, settings()).faces(image)).unwrap()
}

#[test]
fn mtcnn_finds_the_faces_of_facenet_pytorch() {
    let fixture = Fixture::read("mtcnn");
    let device = Device::cpu().unwrap();
    let stages = MtcnnStages::new(&mut Random::new(&device)).unwrap();
    let faces = found(stages, &fixture.tensor("image", &device));
    let numbers = |of: fn(&Face) -> Vec<f32>| faces.iter().flat_map(of).collect::<Vec<_>>();
    let count = faces.len();
    let check = |name: &str, shape: &[usize], numbers: Vec<f32>| {
        let found = device.tensor(shape.to_vec(), numbers);
        fixture.check(name, &found, pass_limit(&device));
    };
    check("scores", &[count], numbers(|face| vec![face.score]));
    check("bounds", &[count, 4], numbers(|face| face.bounds.to_vec()));
    let landmarks = numbers(|face| face.landmarks.concat());
    check("landmarks", &[count, 5, 2], landmarks);
}

#[test]
fn mtcnn_is_read_from_one_file_or_three_in_any_order() {
    let fixture = Fixture::read("mtcnn");
    let device = Device::cpu().unwrap();
    let image = fixture.tensor("image", &device);
    let all: &Build = &|p| MtcnnStages::new(p).map(drop);
    let needed = Recorder::record(all).unwrap();
    let one = |stage: &'static str| -> Rc<dyn WeightSource> {
        let alone: &Build = &|p| {
            let own = needed
                .iter()
                .filter(|needed| needed.name.starts_with(stage));
            for needed in own {
                p.take(&needed.name, needed.kind)?;
            }
            Ok(())
        };
        let named = |name: &str| name[stage.len() + 1..].to_owned();
        Rc::new(Memory::new(stage, file(&device, named, &[alone])))
    };
    let read = |sources: &[Rc<dyn WeightSource>]| block_on(face_finder::read(sources, &device));
    let drawn = MtcnnStages::new(&mut Random::new(&device)).unwrap();
    let wanted = found(drawn, &image);
    assert!(!wanted.is_empty());
    let [pnet, rnet, onet] = ["pnet", "rnet", "onet"].map(one);
    let three = read(&[onet, pnet.clone(), rnet.clone()]).unwrap();
    assert_eq!(found(three, &image), wanted);
    let whole: Rc<dyn WeightSource> =
        Rc::new(Memory::new("mtcnn", file(&device, str::to_owned, &[all])));
    assert_eq!(found(read(&[whole]).unwrap(), &image), wanted);
    let said = |sources: &[_]| read(sources).err().unwrap().to_string();
    let missing = said(&[pnet, rnet]);
    assert!(missing.contains("onet is missing"), "{missing}");
    let other = Rc::new(Memory::new("other", file(&device, str::to_owned, &[])));
    let other = said(&[other]);
    assert!(other.contains("none of MTCNN's networks"), "{other}");
}
