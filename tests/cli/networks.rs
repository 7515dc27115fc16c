//! `models run`: a network from a file on one picture.

use std::fs;

use predicates::{prelude::PredicateBooleanExt as _, str::contains};
use safetensors::SafeTensors;

use crate::desk::Desk;

fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/onnx/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A desk with a picture on it.
fn desk() -> Desk {
    let desk = Desk::new();
    let picture =
        image::RgbImage::from_fn(24, 16, |x, y| image::Rgb([10 * x as u8, 15 * y as u8, 99]));
    picture.save(desk.path("photo.png")).unwrap();
    desk
}

/// The probabilities that `small.onnx` gave in a run.
fn probabilities(desk: &Desk, flags: &[&str]) -> Vec<f32> {
    let network = fixture("small.onnx");
    let mut command = desk.run(&[
        "models",
        "run",
        &network,
        "--image",
        "photo.png",
        "--device",
        "cpu",
    ]);
    let run = command.args(["--save", "out.safetensors"]).args(flags);
    run.assert()
        .success()
        .stdout(contains("probabilities  [1, 5]").and(contains("out.safetensors")));
    let bytes = fs::read(desk.path("out.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor("probabilities").unwrap();
    let (words, _) = view.data().as_chunks::<4>();
    words.iter().map(|&word| f32::from_le_bytes(word)).collect()
}

#[test]
fn a_networks_outputs_are_named_and_saved() {
    let desk = desk();
    let plain = probabilities(&desk, &[]);
    assert!((plain.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    let flags = ["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"];
    let normalised = probabilities(&desk, &flags);
    assert_ne!(plain, normalised);
    assert_ne!(
        normalised,
        probabilities(&desk, &[&flags[..], &["--bgr"]].concat())
    );
    assert_ne!(plain, probabilities(&desk, &["--size", "48x32"]));
}

#[test]
fn a_card_beside_the_network_says_what_flags_would() {
    let desk = desk();
    fs::copy(fixture("small.onnx"), desk.path("net.onnx")).unwrap();
    fs::write(
        desk.path("net.json"),
        r#"{"mean": [0.5, 0.5, 0.5], "bgr": true}"#,
    )
    .unwrap();
    let by_card = [
        "models",
        "run",
        "net.onnx",
        "--image",
        "photo.png",
        "--device",
        "cpu",
    ];
    let said = desk.run(&by_card).output().unwrap().stdout;
    let network = fixture("small.onnx");
    let by_flags = [
        "models",
        "run",
        &network,
        "--image",
        "photo.png",
        "--device",
        "cpu",
    ];
    let flags = ["--mean", "0.5", "--bgr"];
    let same = desk.run(&by_flags).args(flags).output().unwrap().stdout;
    assert!(!said.is_empty());
    assert_eq!(said, same);
    fs::write(desk.path("net.json"), r#"{"men": 1}"#).unwrap();
    let wrong = desk.run(&by_card).assert().code(2);
    wrong.stderr(contains("net.json").and(contains("men")));
}

#[test]
fn a_value_inside_the_graph_can_be_asked_for() {
    let network = fixture("small.onnx");
    let run = [
        "models",
        "run",
        &network,
        "--image",
        "photo.png",
        "--device",
        "cpu",
        "--output",
        "gated",
    ];
    desk()
        .run(&run)
        .assert()
        .success()
        .stdout(contains("gated  [1, 8, 8, 12]"));
}

#[test]
fn a_raw_tensor_is_taken_as_it_is() {
    let desk = desk();
    let bytes: Vec<u8> = (0..3 * 8 * 8)
        .flat_map(|at| (at as f32 / 99.0).to_le_bytes())
        .collect();
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1, 3, 8, 8], &bytes);
    let file = safetensors::serialize([("picture", view.unwrap())], None).unwrap();
    fs::write(desk.path("x.safetensors"), file).unwrap();
    let network = fixture("small.onnx");
    let run = [
        "models",
        "run",
        &network,
        "--raw",
        "x.safetensors",
        "--device",
        "cpu",
    ];
    desk.run(&run)
        .assert()
        .success()
        .stdout(contains("map  [1, 4, 8, 8]"));
}

#[test]
fn what_cannot_be_run_is_refused_in_words() {
    let cases = [
        (
            "unknown.onnx",
            "node \"boxes\" (NonMaxSuppression) does what is not known here",
        ),
        ("external.onnx", "without external data"),
        ("missing-file.onnx", "missing-file.onnx"),
        ("small.safetensors", "it is no ONNX file"),
    ];
    for (name, words) in cases {
        let desk = desk();
        let network = fixture(name);
        let run = [
            "models",
            "run",
            &network,
            "--image",
            "photo.png",
            "--device",
            "cpu",
            "--save",
            "out.safetensors",
        ];
        let refused = desk.run(&run).assert().code(2);
        refused
            .stderr(contains(words).and(contains("panicked").not()))
            .stdout("");
        assert_eq!(desk.files(), ["photo.png"], "{name}");
    }
}
