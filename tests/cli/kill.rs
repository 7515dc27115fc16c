//! A batch that is killed again and again makes each picture once.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use assert_cmd::cargo::cargo_bin;

use super::desk::{Desk, names};

const JOBS: usize = 5;

fn command(desk: &Desk, out: &str) -> Command {
    let mut command = Command::new(cargo_bin!("guidestar"));
    command
        .current_dir(&desk.0)
        .args([
            "batch",
            "jobs.jsonl",
            "--device",
            "cpu",
            "--quiet",
            "--out",
            out,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// What is in a manifest, half lines left out: files, each as often as it is there.
fn noted(desk: &Desk) -> Vec<String> {
    let text = fs::read_to_string(desk.path("out/manifest.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(line["file"].as_str()?.to_owned())
    });
    lines.collect()
}

fn written(desk: &Desk, name: &str) -> SystemTime {
    let about = fs::metadata(desk.path("out").join(name)).unwrap();
    about.modified().unwrap()
}

#[test]
fn a_batch_that_is_killed_at_any_moment_repeats_and_loses_nothing() {
    let desk = Desk::new();
    let job = |seed: usize| {
        format!(r#"{{"prompt": "a fox", "seed": {seed}, "size": "64x64", "steps": 1}}"#)
    };
    let jobs: Vec<_> = (0..JOBS).map(job).collect();
    fs::write(desk.path("jobs.jsonl"), jobs.join("\n")).unwrap();
    assert!(command(&desk, "whole").status().unwrap().success());

    let mut before: Vec<(String, SystemTime)> = Vec::new();
    // Before a picture, right behind one, and a little later: in the middle of the next one or of what is noted.
    for (pictures, wait) in [(0, 40), (1, 0), (1, 3), (1, 15)] {
        let mut child = command(&desk, "out").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..pictures {
            lines.next();
        }
        thread::sleep(Duration::from_millis(wait));
        // SIGKILL: nothing can be tidied up.
        child.kill().unwrap();
        child.wait().unwrap();
        let now = noted(&desk);
        for (name, time) in &before {
            assert!(now.contains(name), "{name} is noted no more");
            assert_eq!(written(&desk, name), *time, "{name} was made twice");
        }
        assert!(now.len() >= before.len() + pictures, "{now:?}");
        before = now
            .into_iter()
            .map(|name| (name.clone(), written(&desk, &name)))
            .collect();
    }
    assert!(command(&desk, "out").status().unwrap().success());

    let mut files = noted(&desk);
    files.sort();
    let whole: Vec<_> = names(&desk.path("whole"))
        .into_iter()
        .filter(|name| name != "manifest.jsonl")
        .collect();
    assert_eq!(files, whole, "each picture is noted once");
    for name in &whole {
        let [one, other] =
            ["whole", "out"].map(|folder| fs::read(desk.path(folder).join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
    // What a kill left half written has another name, and is no picture to anybody.
    let left = names(&desk.path("out"));
    let strange = |name: &&String| {
        !name.starts_with(".guidestar-") && *name != "manifest.jsonl" && !whole.contains(name)
    };
    assert_eq!(left.iter().find(strange), None);
    for (name, time) in &before {
        assert_eq!(written(&desk, name), *time, "{name} was made twice");
    }
}
