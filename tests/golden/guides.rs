//! The guides' own networks are those of `training/`.

use guidestar::models::{
    Random,
    config::{EyesConfig, Names},
    guides::{Eyes, Question, TextTower},
};

use super::{devices, eyes, fixture::Fixture, pass_limit};

/// The processor, and a GPU in f32: what f16 does to convolutions and products, `tests/kernels.rs` knows.
const DEVICES: usize = 2;

#[test]
fn eyes_see_what_those_of_training_see() {
    let fixture = Fixture::read("guides");
    for device in devices().iter().take(DEVICES) {
        let limit = pass_limit(device);
        let eyes = Eyes::new(&eyes::config(), &mut Random::new(device)).unwrap();
        let seen = eyes.look(&fixture.tensor("image", device));
        fixture.check("last", &seen.stages()[3], limit);
        for question in Question::ALL {
            fixture.check(question.name(), &seen.logits(question), limit);
        }
        fixture.check("embedding", &seen.embedding(), limit);
        fixture.check("mask", &seen.mask(), limit);
        fixture.check("heat", &seen.heat(), limit);
        fixture.check("box", &seen.boxes(), limit);
    }
}

#[test]
fn people_have_the_embedding_that_training_gives_them() {
    let fixture = Fixture::read("guides");
    let mut config = eyes::config();
    (config.lateral, config.text) = (0, None);
    config.names = Names {
        thing: Vec::new(),
        colour: Vec::new(),
        scene: Vec::new(),
        dye: Vec::new(),
    };
    for device in devices().iter().take(DEVICES) {
        let knows = Eyes::new(&config, &mut Random::new(device)).unwrap();
        let person = knows.look(&fixture.tensor("image", device)).embedding();
        fixture.check("person", &person, pass_limit(device));
    }
}

#[test]
fn a_text_has_the_embedding_that_training_gives_it() {
    let fixture = Fixture::read("guides");
    let ends: Vec<usize> = fixture.rows("ends")[0]
        .iter()
        .map(|&end| end as usize)
        .collect();
    for device in devices().iter().take(DEVICES) {
        let EyesConfig {
            text, embedding, ..
        } = eyes::config();
        let tower = TextTower::new(&text.unwrap(), embedding, &mut Random::new(device)).unwrap();
        let said = tower.embed(&fixture.rows("tokens"), &ends);
        fixture.check("said", &said, pass_limit(device));
    }
}
