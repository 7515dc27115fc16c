//! The guides' own networks are those of `training/`.

use guidestar::models::{
    Random,
    config::{ClipTextConfig, EyesConfig, Names},
    guides::{Eyes, Question, TextTower},
};

use super::{devices, fixture::Fixture, pass_limit};

/// The processor, and a GPU in f32: what f16 does to convolutions and products, `tests/kernels.rs` knows.
const DEVICES: usize = 2;

fn config() -> EyesConfig {
    let numbered = |count| (0..count).map(|i: usize| i.to_string()).collect();
    EyesConfig {
        names: Names {
            thing: numbered(7),
            colour: numbered(5),
            scene: numbered(4),
            dye: numbered(3),
        },
        widths: [6, 8, 10, 12],
        lateral: 9,
        embedding: 11,
        text: Some(ClipTextConfig {
            vocab_size: 50,
            hidden_size: 16,
            intermediate_size: 24,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            max_position_embeddings: 20,
            ..ClipTextConfig::sd15()
        }),
    }
}

#[test]
fn eyes_see_what_those_of_training_see() {
    let fixture = Fixture::read("guides");
    for device in devices().iter().take(DEVICES) {
        let limit = pass_limit(device);
        let eyes = Eyes::new(&config(), &mut Random::new(device)).unwrap();
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
fn a_text_has_the_embedding_that_training_gives_it() {
    let fixture = Fixture::read("guides");
    let ends: Vec<usize> = fixture.rows("ends")[0]
        .iter()
        .map(|&end| end as usize)
        .collect();
    for device in devices().iter().take(DEVICES) {
        let EyesConfig {
            text, embedding, ..
        } = config();
        let tower = TextTower::new(&text.unwrap(), embedding, &mut Random::new(device)).unwrap();
        let said = tower.embed(&fixture.rows("tokens"), &ends);
        fixture.check("said", &said, pass_limit(device));
    }
}
