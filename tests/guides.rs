//! The guides that come with the program understand pictures that they were not trained on.
//!
//! `tests/fixtures/composed` holds twelve pictures of things on plain colours and in painted places that training never saw,
//! composed by other code than training's, with what is known of them; and two portraits each of six people whom training never saw.

#![cfg(feature = "mini")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{fs, rc::Rc};

use guidestar::{
    guidance::{
        network::matched::{
            Angle, Boxed, Boxes, Contrast, Cutout, Goal, Likeness, Meaning, Naming, Style, Trait,
            scorer,
        },
        universal::{Guide, scored},
    },
    models::guides::{Eyes, Question, detections},
    tensor::{Device, Tensor},
    tokenizer::Tokenizer,
    weights::{Checkpoint, guides, mini},
};
use image::{RgbImage, imageops};
use pollster::block_on;
use serde::Deserialize;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/composed");

#[derive(Deserialize)]
struct Composed {
    size: u32,
    columns: u32,
    pictures: Vec<Label>,
}

#[derive(Deserialize)]
struct Label {
    thing: String,
    background: String,
    text: String,
    bounds: [f32; 4],
}

impl Composed {
    fn read() -> Self {
        let text = fs::read_to_string(format!("{FOLDER}/labels.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The tiles of a sheet, one behind another.
    fn tiles(&self, file: &str) -> Vec<RgbImage> {
        let sheet = image::open(format!("{FOLDER}/{file}")).unwrap().to_rgb8();
        let tile = |at: u32| {
            let (x, y) = (at % self.columns * self.size, at / self.columns * self.size);
            imageops::crop_imm(&sheet, x, y, self.size, self.size).to_image()
        };
        (0..self.pictures.len() as u32).map(tile).collect()
    }

    fn images(&self, device: &Device) -> Tensor {
        self.sheet("pictures.png", device)
    }

    fn sheet(&self, file: &str, device: &Device) -> Tensor {
        let tiles = self.tiles(file);
        let bytes = tiles.iter().flat_map(RgbImage::as_raw);
        let elements = bytes.map(|&byte| f32::from(byte) / 255.0).collect();
        let size = self.size as usize;
        device.tensor([tiles.len(), size, size, 3], elements)
    }
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    block_on(tensor.read()).unwrap()
}

/// Where each row is greatest.
fn greatest(elements: &[f32], columns: usize) -> Vec<usize> {
    let best = |row: &[f32]| (0..columns).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    elements
        .chunks(columns)
        .map(|row| best(row).unwrap())
        .collect()
}

fn open() -> (Device, Eyes, Composed) {
    let device = Device::cpu().unwrap();
    let eyes = block_on(guides::eyes(&guides::files(), "eyes", &device)).unwrap();
    (device, eyes, Composed::read())
}

/// Says how many there are, and fails when there are fewer than `least`.
fn at_least(least: usize, what: &str, right: impl Iterator<Item = bool>) {
    let right: Vec<bool> = right.collect();
    let count = right.iter().filter(|&&right| right).count();
    eprintln!("{what}: {count} of {}", right.len());
    assert!(
        count >= least,
        "{what}: {count} of {}, {right:?}",
        right.len()
    );
}

/// Nine of ten things are what is asked of them; they take the elephant, small and blue on blue, for another.
#[test]
fn things_and_backgrounds_are_named() {
    let (device, eyes, composed) = open();
    names_things_and_backgrounds(11, &eyes, &composed, &device);
}

/// It is stored in 8 bits, as `training/export_guides.py` writes them.
#[test]
fn the_scorer_names_things_and_backgrounds_too() {
    let (device, _, composed) = open();
    let scorer = block_on(guides::eyes(&guides::files(), "scorer", &device)).unwrap();
    assert!(scorer.heat_cells().is_err());
    names_things_and_backgrounds(12, &scorer, &composed, &device);
}

fn names_things_and_backgrounds(least: usize, eyes: &Eyes, composed: &Composed, device: &Device) {
    let seen = eyes.look(&composed.images(device));
    let answers = |question| {
        let names = eyes.names(question);
        let best = greatest(&numbers(&seen.logits(question)), names.len());
        best.into_iter()
            .map(|at| names[at].clone())
            .collect::<Vec<_>>()
    };
    let [things, colours, scenes, _] = Question::ALL.map(answers);
    let pictures = || composed.pictures.iter().enumerate();
    at_least(
        least,
        "things",
        pictures().map(|(at, label)| things[at] == label.thing),
    );
    let plain = eyes.names(Question::Colour);
    let background = |(at, label): (usize, &Label)| {
        if plain.contains(&label.background) {
            scenes[at] == "studio" && colours[at] == label.background
        } else {
            scenes[at] == label.background
        }
    };
    at_least(12, "backgrounds", pictures().map(background));
}

#[test]
fn the_foreground_is_cut_out() {
    let (device, eyes, composed) = open();
    let size = composed.size as usize;
    let mask = eyes.look(&composed.images(&device)).mask();
    let full = mask.resize([size; 2], guidestar::tensor::Interpolation::Bilinear, false);
    let full = numbers(&full);
    let mut sum = 0.0;
    for (found, wanted) in full.chunks(size * size).zip(composed.tiles("masks.png")) {
        let pairs: Vec<_> = found
            .iter()
            .zip(wanted.pixels())
            .map(|(&x, pixel)| (x > 0.0, pixel[0] > 0))
            .collect();
        let both = pairs.iter().filter(|(a, b)| *a && *b).count();
        let either = pairs.iter().filter(|(a, b)| *a || *b).count();
        sum += both as f64 / either as f64;
    }
    let mean = sum / composed.pictures.len() as f64;
    eprintln!("IoU {mean:.3}");
    assert!(mean >= 0.85, "IoU {mean:.3}");
}

#[test]
fn things_are_found_where_they_are() {
    let (device, eyes, composed) = open();
    let seen = eyes.look(&composed.images(&device));
    let (heat, boxes) = (numbers(&seen.heat()), numbers(&seen.boxes()));
    let names = eyes.names(Question::Thing);
    let rows = heat.chunks(heat.len() / composed.pictures.len());
    let rows = rows.zip(boxes.chunks(boxes.len() / composed.pictures.len()));
    let found = composed
        .pictures
        .iter()
        .zip(rows)
        .map(|(label, (heat, boxes))| {
            let surest = detections(heat, boxes, names.len(), 0.1).into_iter().next();
            surest.is_some_and(|it| {
                names[it.thing] == label.thing && overlap(it.bounds, label.bounds) >= 0.5
            })
        });
    at_least(10, "boxes", found);
}

fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area =
        |[left, top, right, bottom]: [f32; 4]| (right - left).max(0.0) * (bottom - top).max(0.0);
    let both = area([
        a[0].max(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].min(b[3]),
    ]);
    both / (area(a) + area(b) - both)
}

#[test]
fn a_text_finds_its_picture() {
    let (device, eyes, composed) = open();
    let tower = block_on(guides::text_tower(&guides::files(), &device)).unwrap();
    let checkpoint = block_on(Checkpoint::open_files(&mini::files())).unwrap();
    let tokenizer = Tokenizer::from_descriptions(&checkpoint.descriptions).unwrap();
    let tokens: Vec<_> = composed
        .pictures
        .iter()
        .map(|label| tokenizer.encode(&label.text))
        .collect();
    let ids: Vec<_> = tokens.iter().map(|tokens| tokens.ids.clone()).collect();
    let ends: Vec<_> = tokens.iter().map(|tokens| tokens.used + 1).collect();
    let pictures = eyes.look(&composed.images(&device)).embedding();
    let scores = numbers(&tower.embed(&ids, &ends).matmul_transposed(&pictures, None));
    let best = greatest(&scores, composed.pictures.len());
    at_least(
        11,
        "texts",
        best.iter()
            .enumerate()
            .map(|(text, &picture)| text == picture),
    );
}

/// How each picture scores by a guide that is after picture `at`: whether that one is the best.
fn best(guide: &dyn Guide, images: &Tensor, at: usize) -> bool {
    let scores = numbers(&guide.score(images).unwrap());
    greatest(&scores, scores.len())[0] == at
}

#[test]
fn guides_and_scorers_like_the_picture_best_that_shows_what_they_are_after() {
    let (device, eyes, composed) = open();
    let eyes = Rc::new(eyes);
    let images = composed.images(&device);
    let size = composed.size as usize;
    let masks = composed.tiles("masks.png");
    let tower = block_on(guides::text_tower(&guides::files(), &device)).unwrap();
    let checkpoint = block_on(Checkpoint::open_files(&mini::files())).unwrap();
    let tokenizer = Tokenizer::from_descriptions(&checkpoint.descriptions).unwrap();
    let mut liked: Vec<(&str, Vec<bool>)> = Vec::new();
    let mut note = |what: &'static str, right: bool| match liked.last_mut() {
        Some((last, all)) if *last == what => all.push(right),
        _ => liked.push((what, vec![right])),
    };
    let pictures = || composed.pictures.iter().enumerate();
    for (at, label) in pictures() {
        let guide = Naming::parse(&eyes, &label.thing).unwrap();
        note("naming", best(&guide, &images, at));
    }
    for (at, label) in pictures() {
        let boxed = [Boxed {
            thing: label.thing.clone(),
            bounds: label.bounds,
        }];
        note(
            "boxes",
            best(&Boxes::new(&eyes, &boxed).unwrap(), &images, at),
        );
    }
    for (at, _) in pictures() {
        let mask = masks[at]
            .pixels()
            .map(|pixel| f32::from(u8::from(pixel[0] > 0)));
        let mask = device.tensor([1, size, size, 1], mask.collect());
        let guide = block_on(Cutout::mask(&eyes, &mask)).unwrap();
        note("mask", best(&guide, &images, at));
    }
    for (at, label) in pictures() {
        let tokens = tokenizer.encode(&label.text);
        let guide = Meaning::new(&eyes, &tower, &tokens.ids, tokens.used, Angle::Cosine);
        note("text", best(&guide.unwrap(), &images, at));
    }
    for (at, label) in pictures() {
        let plain = eyes.names(Question::Colour);
        if !plain.contains(&label.background) {
            continue;
        }
        let mask = masks[at].pixels();
        let mask = mask.map(|pixel| f32::from(u8::from(pixel[0] > 0)));
        let judge = Contrast::new(&device.tensor([1, size, size, 1], mask.collect()));
        let scores = block_on(scored(&judge, &images)).unwrap();
        let scores = numbers(&scores);
        let is_best = greatest(&scores, scores.len())[0] == at;
        assert!(is_best && scores[at] > 0.65, "{at}: {scores:?}");
    }
    for (at, label) in pictures() {
        let judge = block_on(scorer(&eyes, Goal::Text(&label.text)))
            .unwrap()
            .unwrap();
        note("scorer of a text", best(&*judge, &images, at));
    }
    for (at, _) in pictures() {
        let image = images.rows(at..at + 1);
        let guide = block_on(Style::new(&eyes, &image, Trait::Gram)).unwrap();
        let loss = numbers(&guide.loss(&image).unwrap())[0];
        note("style", best(&guide, &images, at) && loss.abs() < 1e-5);
    }
    for (what, right) in liked {
        at_least(10, what, right.into_iter());
    }
}

#[test]
fn a_person_is_known_again() {
    let (device, portraits) = (Device::cpu().unwrap(), Composed::read());
    let knows = Rc::new(block_on(guides::eyes(&guides::files(), "identity", &device)).unwrap());
    let people = portraits.columns as usize;
    let images = portraits.sheet("portraits.png", &device);
    let others = images.rows(people..2 * people);
    let known = (0..people).map(|at| {
        let person = images.rows(at..at + 1);
        let guide = Likeness::new(&knows, &person).unwrap();
        let itself = numbers(&guide.loss(&person).unwrap())[0];
        best(&guide, &others, at) && itself.abs() < 1e-5
    });
    at_least(6, "people", known);
}

#[test]
fn what_guides_cannot_be_after_is_refused_in_words() {
    let (device, eyes, _) = open();
    let eyes = Rc::new(eyes);
    let refused = |error: Option<guidestar::Error>, words: &str| {
        let text = error.expect(words).to_string();
        assert!(text.contains(words), "{text}");
    };
    refused(
        Naming::parse(&eyes, "unicorn").err(),
        "the guide knows nothing called \"unicorn\"",
    );
    refused(
        Naming::parse(&eyes, "red").err(),
        "write colour=red or dye=red",
    );
    refused(
        Naming::parse(&eyes, "mood=red").err(),
        "the guide is not asked for \"mood\": ask it for thing, colour, scene, dye",
    );
    assert!(Naming::parse(&eyes, "Dye = red").is_ok());
    refused(
        Boxed::parse("dog 0.1,0.2,1.5,0.9").err(),
        "is none in the picture",
    );
    refused(
        Boxed::parse("dog").err(),
        "\"dog\" is no box: write a thing",
    );
    refused(Boxes::new(&eyes, &[]).err(), "has no box");
    let unknown = Boxed::parse("unicorn 0.1,0.2,0.5,0.9").unwrap();
    refused(
        Boxes::new(&eyes, &[unknown]).err(),
        "knows no thing called \"unicorn\"",
    );
    let twice =
        ["dog 0.1,0.2,0.5,0.9", "cat 0.1,0.2,0.5,0.9"].map(|text| Boxed::parse(text).unwrap());
    refused(
        Boxes::new(&eyes, &twice).err(),
        "has its centre where another has",
    );
    for (share, word) in [(0.0, "background"), (1.0, "foreground")] {
        let mask = device.tensor([1, 64, 64, 1], vec![share; 64 * 64]);
        let guide = block_on(Cutout::mask(&eyes, &mask));
        refused(guide.err(), &format!("the mask is {word} everywhere"));
    }
    let half = (0..64 * 64).map(|at| f32::from(u8::from(at % 64 < 32)));
    let half = device.tensor([1, 64, 64, 1], half.collect());
    let guide = block_on(Cutout::mask(&eyes, &half)).unwrap();
    let larger = device.tensor([1, 96, 64, 3], vec![0.5; 96 * 64 * 3]);
    refused(
        guide.loss(&larger).err(),
        "the mask is 64x64 and the picture 64x96",
    );
    refused(
        Likeness::new(&eyes, &larger).err(),
        "take those of identity",
    );
    let plain = block_on(Cutout::picture(&eyes, &larger));
    refused(plain.err(), "sees no thing in the target picture");
}
