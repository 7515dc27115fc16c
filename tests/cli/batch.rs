//! `batch`: nothing is lost and nothing is done twice.

use std::fs;

use predicates::str::contains;

use super::desk::Desk;

const JOBS: &str = r#"{"prompt": "a fox", "seed": 3, "count": 2, "size": "64x64", "steps": 1}
{"prompt": "a star", "sizes": "64x64"}

{"prompt": "a lion", "size": "64x64", "steps": 1, "sag": {"scale": 0.5}}
"#;

fn lines(desk: &Desk) -> Vec<String> {
    let text = fs::read_to_string(desk.path("out/manifest.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_batch_goes_on_where_it_was_and_a_bad_line_is_told_and_not_fatal() {
    let desk = Desk::new();
    fs::write(desk.path("jobs.jsonl"), JOBS).unwrap();
    let run = || {
        let mut command = desk.run(&["batch", "jobs.jsonl", "--out", "out", "--device", "cpu"]);
        command
            .assert()
            .code(1)
            .stderr(contains("line 2"))
            .stderr(contains("sizes"))
    };
    run().stderr(contains(
        "3 pictures made, 0 were there before, 1 jobs failed",
    ));
    let pictures = ["000001-3.png", "000001-4.png", "000004-0.png"];
    let before = pictures.map(|name| fs::read(desk.path("out").join(name)).unwrap());
    assert_eq!(lines(&desk).len(), 4);

    // Killed between a picture and its line, in the middle of a line, and before a picture.
    let kept = lines(&desk);
    let half = &kept[1][..9];
    fs::write(
        desk.path("out/manifest.jsonl"),
        format!("{}\n{half}", kept[0]),
    )
    .unwrap();
    fs::remove_file(desk.path("out/000004-0.png")).unwrap();
    run().stderr(contains(
        "1 pictures made, 2 were there before, 1 jobs failed",
    ));
    let after = pictures.map(|name| fs::read(desk.path("out").join(name)).unwrap());
    assert!(before == after, "a picture differs from what it was");
    run().stderr(contains("0 pictures made, 3 were there before"));
}

#[test]
fn shards_do_their_own_lines_in_one_folder() {
    let desk = Desk::new();
    let job = |seed: u64| {
        format!(r#"{{"prompt": "a fox", "seed": {seed}, "size": "64x64", "steps": 1}}"#)
    };
    let jobs: Vec<_> = (0..3).map(job).collect();
    fs::write(desk.path("jobs.jsonl"), jobs.join("\n")).unwrap();
    for shard in ["0/2", "1/2"] {
        let mut command = desk.run(&["batch", "jobs.jsonl", "--out", "out", "--device", "cpu"]);
        command.args(["--shard", shard]).assert().success();
    }
    let mut files = super::names(&desk.path("out"));
    files.sort();
    let expected = [
        "000001-0.png",
        "000002-1.png",
        "000003-2.png",
        "manifest-0-of-2.jsonl",
        "manifest-1-of-2.jsonl",
    ];
    assert_eq!(files, expected);
}
