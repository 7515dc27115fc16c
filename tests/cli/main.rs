//! What the command line promises: exit codes, sentences, and which files are there afterwards.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod batch;
mod desk;
mod edits;
#[path = "../support/faces.rs"]
mod faces;
mod guide;
mod kill;
mod measure;
mod networks;
mod refusals;
mod sag;

use std::{
    fs,
    path::Path,
    process::{Command as Process, Stdio},
    time::Duration,
};

use assert_cmd::cargo::cargo_bin;
use predicates::{prelude::PredicateBooleanExt as _, str::contains};

use desk::{Desk, names};

#[test]
fn a_prompt_becomes_a_picture_of_the_size_asked_for() {
    let desk = Desk::new();
    let wide = ["--size", "128x64", "--seed", "3"];
    let quick = ["--device", "cpu", "--steps", "1"];
    let mut command = desk.run(&["generate", "a red apple, on blue!"]);
    command.args(quick).args(wide);
    let name = "a-red-apple-on-blue-3.png";
    command.assert().success().stdout(format!("{name}\n"));
    assert_eq!(desk.files(), [name]);
    let picture = image::open(desk.path(name)).unwrap();
    assert_eq!((picture.width(), picture.height()), (128, 64));
}

#[test]
fn the_same_job_twice_is_the_same_file_and_another_seed_is_another() {
    let desk = Desk::new();
    for (seed, name) in [("5", "one.png"), ("5", "two.png"), ("6", "three.png")] {
        let flags = ["--seed", seed, "--out", name];
        desk.generate("a fox", &flags).assert().success();
    }
    let [one, two, three] =
        ["one.png", "two.png", "three.png"].map(|name| fs::read(desk.path(name)).unwrap());
    assert!(one == two, "the same job gave two files");
    assert!(one != three, "two seeds gave one file");
}

#[test]
fn replay_gives_the_same_bytes() {
    let desk = Desk::new();
    let flags = [
        "--seed",
        "9",
        "--negative",
        "blue",
        "--sampler",
        "pndm",
        "--steps",
        "3",
        "--out",
        "first.png",
    ];
    let mut command = desk.run(&["generate", "a star", "--device", "cpu", "--size", "64x64"]);
    command.args(flags).assert().success();
    let replay = [
        "replay",
        "first.png",
        "--device",
        "cpu",
        "--out",
        "again.png",
    ];
    desk.run(&replay).assert().success();
    let [first, again] = ["first.png", "again.png"].map(|name| fs::read(desk.path(name)).unwrap());
    assert!(first == again, "the replay differs");
}

#[test]
fn a_picture_says_how_it_was_made() {
    let desk = Desk::new();
    let flags = [
        "--seed",
        "4",
        "--negative",
        "no green",
        "--cfg-scale",
        "3",
        "--out",
        "x.png",
    ];
    desk.generate("a key", &flags).assert().success();
    let notes = guidestar::picture::png::notes(&fs::read(desk.path("x.png")).unwrap()).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        notes.parameters.unwrap(),
        format!(
            "a key\nNegative prompt: no green\nSteps: 1, Sampler: DDIM, CFG scale: 3, Seed: 4, Size: 64x64, \
             Model: mini, Version: guidestar {version}"
        )
    );
    let job = guidestar::session::Job::from_json(&notes.guidestar.unwrap()).unwrap();
    assert_eq!((job.seed, job.count, job.cfg_scale), (4, 1, Some(3.0)));
}

#[test]
fn several_pictures_get_a_contact_sheet() {
    let desk = Desk::new();
    let flags = ["--seed", "7..8", "--out", "foxes/"];
    desk.generate("a fox", &flags).assert().success();
    assert_eq!(
        names(&desk.path("foxes")),
        ["a-fox-7.png", "a-fox-8.png", "a-fox-sheet.png"]
    );
    // A picture does not depend on those that are made before it.
    desk.generate("a fox", &["--seed", "8", "--out", "alone.png"])
        .assert()
        .success();
    let [among, alone] =
        ["foxes/a-fox-8.png", "alone.png"].map(|name| fs::read(desk.path(name)).unwrap());
    assert!(
        among == alone,
        "seed 8 differs when it is the second picture"
    );
}

#[test]
fn files_that_exist_are_left_alone_unless_told() {
    let desk = Desk::new();
    fs::write(desk.path("x.png"), "mine").unwrap();
    desk.generate("a fox", &["--out", "x.png"])
        .assert()
        .success()
        .stdout("x-2.png\n");
    assert_eq!(fs::read(desk.path("x.png")).unwrap(), b"mine");
    desk.generate("a fox", &["--out", "x.png", "--yes"])
        .assert()
        .success()
        .stdout("x.png\n");
    assert_ne!(fs::read(desk.path("x.png")).unwrap(), b"mine");
    assert_eq!(desk.files(), ["x-2.png", "x.png"]);
}

#[test]
fn latents_go_out_and_come_in() {
    let desk = Desk::new();
    desk.generate("a fox", &["--seed", "1", "--save-latents", "l.safetensors"])
        .assert()
        .success();
    let bytes = fs::read(desk.path("l.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("latents").unwrap().shape(), [1, 4, 8, 8]);
    // Their size is the picture's when none is asked for.
    let flags = [
        "generate",
        "a fox",
        "--device",
        "cpu",
        "--steps",
        "1",
        "--latents",
        "l.safetensors",
        "--out",
        "y.png",
    ];
    desk.run(&flags).assert().success();
    assert_eq!(image::open(desk.path("y.png")).unwrap().width(), 64);
    desk.run(&flags)
        .args(["--size", "128x64"])
        .assert()
        .code(2)
        .stderr(contains(
            "the latents are 8x8, and a picture of 128x64 has 16x8",
        ));
}

#[test]
fn events_are_a_line_each() {
    let desk = Desk::new();
    let run = desk
        .generate("a fox", &["--seed", "1", "--json"])
        .assert()
        .success();
    let output = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    let events: Vec<serde_json::Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<_> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    let after_loading: Vec<_> = names
        .iter()
        .skip_while(|name| **name == "loading")
        .collect();
    assert_eq!(
        after_loading,
        [&"started", &"step", &"picture", &"saved", &"done"]
    );
}

#[test]
fn a_failure_is_an_event_too() {
    let desk = Desk::new();
    let run = desk
        .run(&["generate", "a fox", "--steps", "0", "--json"])
        .assert()
        .code(2);
    let output = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    let event: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(event["event"], "failed");
    assert_eq!(
        event["message"],
        "0 steps make no picture: ask for at least 1"
    );
}

#[test]
fn a_long_prompt_is_cut_and_said_and_an_empty_one_works() {
    let desk = Desk::new();
    let long = "apple ".repeat(10_000) + "zebra";
    desk.generate(&long, &["--out", "long.png"])
        .assert()
        .success()
        .stderr(contains(
            "the prompt is longer than the 75 tokens the model reads; it does not see: apple",
        ));
    desk.generate("", &["--seed", "1"])
        .assert()
        .success()
        .stdout("picture-1.png\n");
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_within_a_step_and_says_what_was_saved() {
    let desk = Desk::new();
    let mut child = Process::new(cargo_bin!("guidestar"))
        .current_dir(&desk.0)
        .args([
            "generate", "a fox", "--device", "cpu", "--steps", "900", "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The first step is told before the interrupt comes.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    lines
        .find(|line| line.as_ref().unwrap().contains("\"step\""))
        .unwrap()
        .unwrap();
    let killed = Process::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    let rest: Vec<_> = lines.map(|line| line.unwrap()).collect();
    let stopped = r#"{"event":"stopped","finished":0,"of":1}"#;
    assert_eq!(rest.last().map(String::as_str), Some(stopped));
    assert!(
        rest.len() < 100,
        "{} events after the interrupt",
        rest.len()
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(desk.files(), Vec::<String>::new());
}

#[test]
fn models_are_listed_and_checked() {
    let desk = Desk::new();
    let listed = desk.run(&["models", "list"]).assert().success();
    listed.stdout(
        contains("mini  built in")
            .and(contains("CreativeML OpenRAIL-M"))
            .and(contains("mobilefacenet").and(contains("--recogniser"))),
    );
    desk.run(&["models", "get", "nothing"])
        .assert()
        .code(2)
        .stderr(contains("sd15-f16, sd15, clip-vit-l-14"));
    let checked = desk.run(&["models", "check", "mini"]).assert().success();
    checked.stdout(contains(
        "Stable Diffusion 1.x, every weight is there and fits",
    ));
    fs::write(desk.path("page.safetensors"), "<!DOCTYPE html><html>").unwrap();
    desk.run(&["models", "check", "page.safetensors"])
        .assert()
        .code(2)
        .stderr(contains("page.safetensors"));
}

#[test]
fn a_converted_model_makes_the_same_picture() {
    let desk = Desk::new();
    // The embedded weights are 8 bits and a scale, which f16 would round.
    for (input, output) in [("mini", "one.safetensors"), ("one.safetensors", "folder")] {
        let flags = ["models", "convert", input, output, "--storage", "f32"];
        desk.run(&flags).assert().success();
    }
    for model in ["mini", "one.safetensors", "folder"] {
        let latents = format!("{model}.latents");
        let flags = ["--seed", "1", "--model", model, "--save-latents", &latents];
        desk.generate("a fox", &flags).assert().success();
    }
    let [embedded, file, folder] = ["mini", "one.safetensors", "folder"]
        .map(|model| fs::read(desk.path(&format!("{model}.latents"))).unwrap());
    assert!(embedded == file, "the single file's latents differ");
    assert!(embedded == folder, "the folder's latents differ");
}

#[test]
fn help_is_as_it_was() {
    let desk = Desk::new();
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help-generate", &["generate", "--help"]),
        ("help-sag", &["sag", "--help"]),
        ("help-guide", &["guide", "--help"]),
        ("help-rank", &["rank", "--help"]),
        ("help-pnp", &["pnp", "--help"]),
        ("help-invert", &["invert", "--help"]),
        ("help-measure", &["measure", "--help"]),
        ("help-batch", &["batch", "--help"]),
        ("help-replay", &["replay", "--help"]),
        ("help-models", &["models", "--help"]),
        ("help-serve", &["serve", "--help"]),
    ] {
        let run = desk
            .run(arguments)
            .timeout(Duration::from_secs(20))
            .assert()
            .success();
        let found = String::from_utf8(run.get_output().stdout.clone()).unwrap();
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/{name}.txt"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&path, &found).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, kept, "UPDATE_SNAPSHOTS=1 accepts the change");
    }
}
