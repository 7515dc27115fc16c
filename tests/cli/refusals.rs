//! What is refused: the exit code, the sentence, and that nothing is left behind.

use std::fs;

use predicates::{prelude::PredicateBooleanExt as _, str::contains};

use crate::desk::Desk;

/// What is refused, with the exit code and a part of the sentence. Nothing may be left behind.
fn refused(arguments: &[&str], code: i32, sentence: &str) {
    let desk = Desk::new();
    let run = desk.run(arguments).assert().code(code);
    run.stderr(contains(sentence).and(contains("panicked").not()))
        .stdout("");
    assert_eq!(
        desk.files(),
        Vec::<String>::new(),
        "{arguments:?} left something behind"
    );
}

#[test]
fn wrong_requests_are_refused_in_words() {
    let cases: &[(&[&str], &str)] = &[
        (
            &["--size", "100x64"],
            "must be multiples of 8, and 100x64 is not: 104x64 is near",
        ),
        (&["--size", "0x64"], "has no pixels"),
        (&["--size", "16384x16384"], "a picture of 16384x16384 needs"),
        (&["--size", "99999x8"], "at most 16384 a side"),
        (&["--size", "big"], "is no size: write it as 512x768"),
        (&["--steps", "0"], "0 steps make no picture"),
        (&["--steps", "1000"], "ask for fewer"),
        (&["--count", "0"], "0 pictures are asked for"),
        (&["--count", "2", "--seed", "1..3"], "leave one out"),
        (
            &["--seed", "18446744073709551616"],
            "a whole number from 0 to 18446744073709551615",
        ),
        (&["--seed", "-1"], "-1"),
        (&["--cfg-scale", "nan"], "is no number to work with"),
        (&["--eta", "2"], "between 0 and 1"),
        (&["--sampler", "euler"], "possible values: ddim, pndm"),
        (
            &["--parity", "midjourney"],
            "choose diffusers, ldm, comfyui, pnp-diffusers, pnp-ldm, ugd",
        ),
        (
            &["--device", "tpu"],
            "choose auto, gpu, cpu, cuda or vulkan",
        ),
        (
            &["--model", "missing.safetensors"],
            "there is no model at \"missing.safetensors\"",
        ),
        (&["--latents", "missing.safetensors"], "missing.safetensors"),
        (
            &["--out", "/proc/nothing/x.png"],
            "nothing can be written to /proc/nothing",
        ),
        (&["--out", "x.jpg"], "x.jpg should end in .png"),
        (&["--precision", "f16"], "computes in f32 only"),
        (&["--shine"], "unexpected argument '--shine'"),
    ];
    for (flags, sentence) in cases {
        let mut arguments = vec!["generate", "a fox", "--device", "cpu"];
        // A flag may stand once only.
        if flags[0] == "--device" {
            arguments.truncate(2);
        }
        arguments.extend_from_slice(flags);
        refused(&arguments, 2, sentence);
    }
    refused(&["replay", "missing.png"], 2, "could not read missing.png");
    refused(&["paint"], 2, "unrecognized subcommand 'paint'");
}

#[test]
fn replay_refuses_pictures_that_remember_nothing() {
    let desk = Desk::new();
    image::RgbImage::new(8, 8)
        .save(desk.path("plain.png"))
        .unwrap();
    fs::write(desk.path("text.png"), "no picture").unwrap();
    let remembers = "plain.png remembers no job: it was not made by guidestar";
    desk.run(&["replay", "plain.png"])
        .assert()
        .code(2)
        .stderr(contains(remembers));
    desk.run(&["replay", "text.png"])
        .assert()
        .code(2)
        .stderr(contains("not a PNG file"));
}

#[test]
fn without_a_driver_there_is_no_gpu() {
    let desk = Desk::new();
    desk.run(&["generate", "a fox", "--device", "gpu"])
        .env("VK_ICD_FILENAMES", "/nowhere")
        .env("VK_DRIVER_FILES", "/nowhere")
        .assert()
        .code(3)
        .stderr(contains("no GPU was found").and(contains("--device cpu")));
    assert_eq!(desk.files(), Vec::<String>::new());
}
