//! `measure`: pictures alone, beside others, and folders of both.

use std::fs;

use image::{Rgb, RgbImage};
use predicates::{prelude::PredicateBooleanExt as _, str::contains};
use safetensors::SafeTensors;
use serde_json::Value;

use super::desk::Desk;

/// A desk with two folders of two pictures each.
fn desk() -> Desk {
    let desk = Desk::new();
    for (folder, shift) in [("one", 0), ("other", 20)] {
        fs::create_dir(desk.path(folder)).unwrap();
        for (name, green) in [("a.png", 40), ("b.png", 180)] {
            let picture = RgbImage::from_fn(48, 48, |x, y| {
                Rgb([(5 * x) as u8, green + shift, (3 * y + x) as u8])
            });
            picture.save(desk.path(folder).join(name)).unwrap();
        }
    }
    desk
}

fn json(desk: &Desk, arguments: &[&str]) -> Vec<Value> {
    let mut command = desk.run(&["measure", "--device", "cpu", "--json"]);
    let output = command
        .args(arguments)
        .assert()
        .success()
        .get_output()
        .stdout
        .clone();
    let text = String::from_utf8(output).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn folders_are_compared_picture_by_picture() {
    let desk = desk();
    let lines = json(&desk, &["one", "--against", "other"]);
    assert_eq!(lines.len(), 3);
    for (line, name) in lines.iter().zip(["a.png", "b.png"]) {
        assert_eq!(line["picture"], name);
        // One of three channels is 20 of 255 off.
        let expected = (20.0f64 / 255.0).powi(2) / 3.0;
        let mse = line["mse"].as_f64().unwrap();
        assert!((mse - expected).abs() < 1e-12, "{mse} for {expected}");
        assert!(line["ssim"].as_f64().unwrap() < 1.0 && line["structure"].is_f64());
        assert!(line["text_score"].is_null(), "there is no text");
    }
    assert_eq!(lines[2]["pictures"], 2);
    let mean = lines[2]["mean"]["mse"].as_f64().unwrap();
    assert!((mean - lines[0]["mse"].as_f64().unwrap()).abs() < 1e-12);
    // The same picture: at no distance, and its ratio is infinite.
    let lines = json(
        &desk,
        &[
            "one/a.png",
            "--against",
            "one/a.png",
            "--prompt",
            "a lion on pink",
        ],
    );
    assert_eq!((lines.len(), lines[0]["mse"].as_f64()), (1, Some(0.0)));
    assert!(lines[0]["psnr"].is_null() && lines[0]["thing_confidence"].is_f64());
}

#[test]
fn a_table_has_a_line_for_each_picture_and_their_mean() {
    let desk = desk();
    let mut mask = RgbImage::new(48, 48);
    mask.put_pixel(24, 24, Rgb([255; 3]));
    mask.save(desk.path("dot.png")).unwrap();
    let table = |arguments: &[&str]| {
        let mut command = desk.run(&["measure", "one", "--device", "cpu"]);
        command.args(arguments).assert().success()
    };
    table(&["--prompt", "a lion"]).stdout(contains("sharpness").and(contains("psnr").not()));
    let masked = [
        "--against",
        "other",
        "--mask",
        "dot.png",
        "--masking",
        "blackened",
    ];
    table(&masked).stdout(contains("psnr").and(contains("\nmean")));
    table(&["--against", "other", "--mask", "dot.png", "--outside"]);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let desk = desk();
    RgbImage::new(8, 8).save(desk.path("black.png")).unwrap();
    fs::create_dir(desk.path("empty")).unwrap();
    fs::write(desk.path("text.png"), "no picture").unwrap();
    for (arguments, said) in [
        (&["missing.png"][..], "there is no picture missing.png"),
        (&["empty"], "there are no pictures in empty"),
        (&["text.png"], "text.png: this is no picture"),
        (
            &["black.png", "--against", "one"],
            "one/black.png to compare",
        ),
        (
            &["one", "--against", "other", "--mask", "black.png"],
            "nowhere light",
        ),
        (&["one", "--mask", "black.png"], "--against"),
    ] {
        let mut command = desk.run(&["measure", "--device", "cpu"]);
        command
            .args(arguments)
            .assert()
            .code(2)
            .stderr(contains(said))
            .stdout("");
    }
}

/// What a network makes of a picture in each place: so many numbers for each of so many places.
fn features(desk: &Desk, network: &str, output: &str, picture: &str) -> Vec<Vec<f64>> {
    let mut command = desk.run(&[
        "models", "run", network, "--image", picture, "--output", output,
    ]);
    let saved = ["--device", "cpu", "--save", "features.safetensors"];
    command.args(saved).assert().success();
    let bytes = fs::read(desk.path("features.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(output).unwrap();
    let &[1, channels, h, w] = view.shape() else {
        panic!("{:?}", view.shape())
    };
    let (words, _) = view.data().as_chunks::<4>();
    let at = |place: usize, channel: usize| f32::from_le_bytes(words[channel * h * w + place]);
    let numbers = |place| {
        (0..channels)
            .map(|channel| f64::from(at(place, channel)))
            .collect()
    };
    (0..h * w).map(numbers).collect()
}

/// Cosines of all pairs of places.
fn similarities(places: &[Vec<f64>]) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let cosine = |a: &Vec<f64>, b: &Vec<f64>| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-8);
    let pairs = places
        .iter()
        .flat_map(|a| places.iter().map(move |b| (a, b)));
    pairs.map(|(a, b)| cosine(a, b)).collect()
}

#[test]
fn layouts_are_compared_by_the_features_of_any_network() {
    let desk = desk();
    let network = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/onnx/small.onnx"
    );
    let compared = |output: &str| {
        let pair = ["one/a.png", "--against", "other/a.png"];
        let flags = ["--features", network, "--output", output, "--device", "cpu"];
        let mut command = desk.run(&["measure", "--json"]);
        command.args(pair).args(flags).assert()
    };
    let run = compared("pooled").success().get_output().stdout.clone();
    let row: Value = serde_json::from_slice(&run).unwrap();
    let found = row["structure"].as_f64().unwrap();
    let [one, other] = ["one/a.png", "other/a.png"]
        .map(|picture| similarities(&features(&desk, network, "pooled", picture)));
    let squares = one.iter().zip(&other).map(|(a, b)| (a - b).powi(2));
    let wanted = squares.sum::<f64>() / one.len() as f64;
    assert!(
        wanted > 0.0 && (found - wanted).abs() < 1e-6 * wanted.max(1e-2),
        "{found} for {wanted}"
    );
    compared("probabilities")
        .code(2)
        .stderr(contains("the features are [1, 5]").and(contains("--output")));
    compared("nothing").code(2).stderr(contains("nothing"));
}
