//! `measure`: pictures alone, beside others, and folders of both.

use std::fs;

use image::{Rgb, RgbImage};
use predicates::{prelude::PredicateBooleanExt as _, str::contains};
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
