//! `guide`: universal guidance from the command line.

use std::fs;

use predicates::{prelude::PredicateBooleanExt as _, str::contains};

use super::{desk::Desk, faces};

const QUICK: [&str; 8] = [
    "--device", "cpu", "--size", "64x64", "--steps", "2", "--seed", "4",
];

fn pixels(desk: &Desk, name: &str) -> Vec<u8> {
    image::open(desk.path(name)).unwrap().to_rgb8().into_raw()
}

/// A picture of this size, of one colour.
fn plain(desk: &Desk, name: &str, side: u32, colour: [u8; 3]) {
    let picture = image::RgbImage::from_pixel(side, side, image::Rgb(colour));
    picture.save(desk.path(name)).unwrap();
}

#[test]
fn a_guided_picture_stands_beside_the_unguided_one_and_can_be_replayed() {
    let desk = Desk::new();
    let mut command = desk.run(&["guide", "a fox", "--colour", "#3060c0", "--out", "fox.png"]);
    command.args(QUICK).args(["--guide-window", "0..1"]);
    let said = contains("colour").and(contains("unguided"));
    command.assert().success().stderr(said);
    let mut files = desk.files();
    files.sort();
    let beside = [
        "fox-compare.png",
        "fox-losses.csv",
        "fox-losses.png",
        "fox-steps.png",
        "fox.png",
    ];
    assert_eq!(files, beside);
    let losses = fs::read_to_string(desk.path("fox-losses.csv")).unwrap();
    assert!(
        losses.starts_with("step,turn,guide,loss\n1,1,colour,"),
        "{losses}"
    );
    let mut command = desk.run(&["replay", "fox.png", "--device", "cpu", "--out", "again.png"]);
    command.assert().success();
    assert!(fs::read(desk.path("fox.png")).unwrap() == fs::read(desk.path("again.png")).unwrap());
    // The settings beside it are those of the picture without.
    let mut command = desk.run(&["generate", "a fox", "--out", "plain.png"]);
    command.args(QUICK).assert().success();
    assert!(
        pixels(&desk, "plain.png") != pixels(&desk, "fox.png"),
        "nothing was guided"
    );
}

#[test]
fn a_replay_needs_the_pictures_that_guided() {
    let desk = Desk::new();
    plain(&desk, "photo.png", 64, [200, 40, 40]);
    let mut command = desk.run(&["guide", "a fox", "--blur", "photo.png", "--bare"]);
    command
        .args(QUICK)
        .args(["--out", "fox.png"])
        .assert()
        .success();
    assert_eq!(desk.files().len(), 2, "{:?}", desk.files());
    let replay = ["replay", "fox.png", "--device", "cpu", "--out", "again.png"];
    desk.run(&replay).assert().success();
    assert!(fs::read(desk.path("fox.png")).unwrap() == fs::read(desk.path("again.png")).unwrap());
    plain(&desk, "photo.png", 64, [40, 200, 40]);
    let wrong = desk.run(&replay).args(["--yes"]).assert().code(2);
    wrong.stderr(contains("another file than the one that guided"));
    fs::remove_file(desk.path("photo.png")).unwrap();
    desk.run(&replay)
        .assert()
        .code(2)
        .stderr(contains("photo.png"));
}

#[test]
fn trials_are_ranked_and_the_best_are_kept() {
    let desk = Desk::new();
    let mut command = desk.run(&["guide", "a fox", "--colour", "#3060c0", "--bare"]);
    command.args(QUICK).args(["--trials", "2", "--keep", "1"]);
    let said = contains("1. seed").and(contains("2. seed"));
    let said = said.and(contains("nobody else can judge colour"));
    command.assert().success().stderr(said);
    let mut files = desk.files();
    files.sort();
    let expected = [
        "a-fox-4.png",
        "a-fox-5.png",
        "a-fox-best-1.png",
        "a-fox-sheet.png",
    ];
    assert_eq!(files, expected);
    let best = pixels(&desk, "a-fox-best-1.png");
    assert!(
        ["a-fox-4.png", "a-fox-5.png"]
            .iter()
            .any(|name| pixels(&desk, name) == best)
    );
}

#[test]
fn guides_that_cannot_work_are_refused_in_a_sentence() {
    let desk = Desk::new();
    plain(&desk, "photo.png", 64, [200, 40, 40]);
    plain(&desk, "mask.png", 32, [255; 3]);
    plain(&desk, "black.png", 64, [0; 3]);
    fs::write(desk.path("text.png"), "no picture").unwrap();
    let before = desk.files().len();
    for (flags, said) in [
        (&[][..], "nothing to guide towards"),
        (&["--colour", "blue"], "no colour"),
        (&["--colour", "#12345é"], "no colour"),
        (&["--inpaint", "photo.png"], "--mask"),
        (
            &["--inpaint", "photo.png", "--mask", "mask.png"],
            "is 32x32 and the picture 64x64",
        ),
        (
            &["--inpaint", "photo.png", "--mask", "black.png"],
            "black all over",
        ),
        (&["--edges", "none.png"], "none.png"),
        (&["--edges", "text.png"], "text.png: "),
        (
            &["--blur", "photo.png", "--sigma", "0"],
            "use a number above 0",
        ),
        (&["--blur", "photo.png", "--sigma", "40"], "does not fit"),
        (&["--enlarge", "photo.png", "--factor", "7"], "multiples"),
        (
            &["--colour", "#fff000", "--preset", "best"],
            "choose one of",
        ),
        (
            &["--colour", "#fff000", "--guide-scale", "nan"],
            "not a number",
        ),
        (
            &["--colour", "#fff000", "--guide-window", "0.5..0.5"],
            "not be empty",
        ),
        (&["--colour", "#fff000", "--recurrences", "0"], "begin at 1"),
        (
            &["--colour", "#fff000", "--weight", "edges=2"],
            "not asked for",
        ),
        (
            &["--colour", "#fff000", "--weight", "colour=nan"],
            "no number to work with",
        ),
        (
            &["--colour", "#fff000", "--sampler", "pndm"],
            "--sampler ddim",
        ),
        (
            &["--colour", "#fff000", "--trials", "2", "--keep", "3"],
            "not more than there are",
        ),
    ] {
        let mut command = desk.run(&["guide", "a fox"]);
        command.args(QUICK).args(flags);
        command.assert().code(2).stderr(contains(said));
    }
    assert_eq!(desk.files().len(), before);
}

/// A strength beyond all numbers: what is made at all is kept, and the reason is given.
#[test]
fn a_strength_that_ends_in_no_numbers_is_said() {
    let desk = Desk::new();
    let mut command = desk.run(&["guide", "a fox", "--colour", "#3060c0", "--bare"]);
    let strong = ["--preset", "reference", "--guide-scale", "1e300"];
    command.args(QUICK).args(strong);
    command
        .assert()
        .code(1)
        .stderr(contains("no numbers").or(contains("being numbers")));
    assert!(desk.files().is_empty(), "{:?}", desk.files());
}

/// A white square in the middle of black.
fn square(desk: &Desk, name: &str, side: u32) {
    let inside = |at: u32| (side / 4..side * 3 / 4).contains(&at);
    let picture = image::RgbImage::from_fn(side, side, |x, y| {
        image::Rgb([if inside(x) && inside(y) { 255 } else { 0 }; 3])
    });
    picture.save(desk.path(name)).unwrap();
}

fn network(name: &str) -> String {
    format!("{}/tests/fixtures/onnx/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn networks_guide_together_and_their_picture_can_be_replayed() {
    let desk = Desk::new();
    square(&desk, "mask.png", 64);
    plain(&desk, "photo.png", 48, [200, 40, 40]);
    let mut command = desk.run(&["guide", "a fox", "--out", "fox.png"]);
    command.args(QUICK).args(["--guide-window", "0..1"]);
    command.args(["--segment", "mask.png", "--style", "photo.png"]);
    command.args(["--text", "a fox on snow", "--class", "red apple"]);
    command.args(["--box", "red apple 0.1,0.2,0.6,0.9", "--weight", "text=0.5"]);
    command.args(["--onnx", &network("small.onnx"), "--target-class", "2"]);
    let said = [
        "segmentation",
        "style",
        "text",
        "class",
        "detection",
        "network",
    ];
    let assert = command.assert().success();
    let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    for guide in said {
        assert!(stderr.contains(&format!("seed 4: {guide} ")), "{stderr}");
    }
    let mut command = desk.run(&["replay", "fox.png", "--device", "cpu", "--out", "again.png"]);
    command.assert().success();
    assert!(fs::read(desk.path("fox.png")).unwrap() == fs::read(desk.path("again.png")).unwrap());
}

#[test]
fn networks_that_cannot_guide_are_refused_in_a_sentence() {
    let desk = Desk::new();
    square(&desk, "mask.png", 32);
    plain(&desk, "black.png", 64, [0; 3]);
    plain(&desk, "photo.png", 64, [200, 40, 40]);
    fs::write(desk.path("boxes.json"), r#"[{"thing": "dog"}]"#).unwrap();
    let before = desk.files().len();
    let onnx = |name: &str| {
        [
            "--onnx".to_owned(),
            network(name),
            "--target-class".to_owned(),
            "1".to_owned(),
        ]
    };
    let owned = |flags: &[&str]| {
        flags
            .iter()
            .map(|&flag| flag.to_owned())
            .collect::<Vec<_>>()
    };
    let cases = [
        (
            owned(&["--box", "dog 0.1,0.2,1.5,0.9"]),
            "none in the picture",
        ),
        (
            owned(&["--box", "dog 0.9,0.2,0.5,0.9"]),
            "none in the picture",
        ),
        (
            owned(&["--box", "unicorn 0.1,0.2,0.5,0.9"]),
            "knows no thing called",
        ),
        (owned(&["--boxes", "boxes.json"]), "no list of boxes"),
        (owned(&["--class", "unicorn"]), "knows nothing called"),
        (owned(&["--text", ""]), "says nothing"),
        (
            owned(&["--segment", "mask.png"]),
            "is 32x32 and the picture 64x64",
        ),
        (owned(&["--segment", "black.png"]), "black all over"),
        (owned(&["--segment", "none.png"]), "none.png"),
        (owned(&["--face", "photo.png"]), "--recogniser"),
        (owned(&["--onnx", "net.onnx"]), "--target-image"),
        (
            owned(&["--onnx", "net.onnx", "--target-class", "0"]),
            "net.onnx",
        ),
        (
            owned(&["--loss", "hinge", "--class", "dog"]),
            "choose cosine",
        ),
        (onnx("short.onnx").to_vec(), "short.onnx"),
        (onnx("circle.onnx").to_vec(), "circle"),
        (onnx("future.onnx").to_vec(), "future.onnx"),
        (onnx("foreign.onnx").to_vec(), "foreign.onnx"),
        (
            onnx("small.onnx")
                .into_iter()
                .chain(owned(&["--onnx-output", "nothing"]))
                .collect(),
            "no output \"nothing\"",
        ),
        (
            owned(&["--onnx", &network("small.onnx"), "--target-class", "99"]),
            "99 is none",
        ),
    ];
    for (flags, said) in cases {
        let mut command = desk.run(&["guide", "a fox"]);
        command.args(QUICK).args(&flags);
        command.assert().code(2).stderr(contains(said));
    }
    assert_eq!(desk.files().len(), before, "{:?}", desk.files());
}

#[test]
fn pictures_are_ranked_by_guides() {
    let desk = Desk::new();
    for (name, colour) in [
        ("red.png", [220, 30, 30]),
        ("blue.png", [30, 60, 200]),
        ("sea.png", [40, 80, 190]),
    ] {
        plain(&desk, name, 40, colour);
    }
    let ranking = [
        "rank", "red.png", "blue.png", "sea.png", "--device", "cpu", "--colour", "#1e3cc8",
    ];
    let assert = desk.run(&ranking).assert().success();
    let stdout = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let order: Vec<&str> = stdout
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(order, ["blue.png", "sea.png", "red.png"], "{stdout}");
    let mut command = desk.run(&ranking);
    command
        .args(["--keep", "1", "--out", "best"])
        .assert()
        .success();
    assert_eq!(super::names(&desk.path("best")), ["1-blue.png"]);
    desk.run(&["rank", "red.png"])
        .assert()
        .code(2)
        .stderr(contains("nothing to rank by"));
}

/// Real networks beside the repository; nothing, after saying so, where they are not.
fn shared(names: [&str; 2]) -> Option<[String; 2]> {
    let folder = format!("{}/../shared/networks", env!("CARGO_MANIFEST_DIR"));
    let paths = names.map(|name| format!("{folder}/{name}"));
    if paths.iter().all(|path| fs::metadata(path).is_ok()) {
        return Some(paths);
    }
    eprintln!("left out: {names:?}: there is no ../shared/networks beside the repository");
    None
}

/// A drawn face, which the detector takes for a real one.
fn face(desk: &Desk, name: &str) {
    let pixels = faces::ONE.pixels();
    let side = faces::SIZE;
    let picture = image::RgbImage::from_fn(side as u32, side as u32, |x, y| {
        let at = 3 * (y as usize * side + x as usize);
        image::Rgb([0, 1, 2].map(|colour| (pixels[at + colour] * 255.0).round() as u8))
    });
    picture.save(desk.path(name)).unwrap();
}

#[test]
fn a_face_guides_by_networks_from_files() {
    let Some([recogniser, detector]) = shared(["MobileFaceNet.onnx", "yunet_n.onnx"]) else {
        return;
    };
    let desk = Desk::new();
    face(&desk, "face.png");
    plain(&desk, "plain.png", 64, [200, 40, 40]);
    fs::copy(recogniser, desk.path("net.onnx")).unwrap();
    let card = r#"{"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}"#;
    fs::write(desk.path("net.json"), card).unwrap();
    let guide = |target: &str, more: &[&str]| {
        let mut command = desk.run(&["guide", "a penguin", "--bare", "--guide-window", "0..1"]);
        command.args(QUICK).args(["--face", target]);
        command.args(["--recogniser", "net.onnx", "--detector", &detector]);
        command.args(more).assert()
    };
    // A penguin shows no face: nothing is guided, and that is said.
    let skipped = guide("face.png", &["--out", "skipped.png"]).success();
    skipped.stderr(contains("turns showed no face").and(contains("face scores -1.0000")));
    let said = guide(
        "face.png",
        &["--centre-face", "--loss", "l1", "--out", "made.png"],
    );
    said.success()
        .stderr(contains("seed 4: face scores").and(contains("showed no face").not()));
    assert!(pixels(&desk, "made.png") != pixels(&desk, "skipped.png"));
    let mut command = desk.run(&[
        "replay",
        "made.png",
        "--device",
        "cpu",
        "--out",
        "again.png",
    ]);
    command.assert().success();
    assert!(fs::read(desk.path("made.png")).unwrap() == fs::read(desk.path("again.png")).unwrap());
    let before = desk.files();
    guide("plain.png", &[])
        .code(2)
        .stderr(contains("shows no face that the detector finds"));
    guide("face.png", &["--loss", "gram"])
        .code(2)
        .stderr(contains("choose cosine, l1 or l2"));
    assert_eq!(desk.files(), before);
}

fn weights(name: &str) -> String {
    format!("{}/tests/fixtures/torch/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn published_networks_and_detectors_guide() {
    let desk = Desk::new();
    plain(&desk, "photo.png", 48, [200, 40, 40]);
    fs::create_dir(desk.path("clip")).unwrap();
    fs::copy(weights("clip.pth"), desk.path("clip/pytorch_model.bin")).unwrap();
    let mut command = desk.run(&["guide", "a fox", "--bare", "--out", "fox.png"]);
    command.args(QUICK).args(["--guide-window", "0..1"]);
    command.args([
        "--style",
        "photo.png",
        "--clip",
        "clip",
        "--clip-colours",
        "imagenet",
    ]);
    command.args(["--onnx", &network("cells.onnx")]);
    command.args([
        "--target-box",
        "1 0.1,0.2,0.6,0.9",
        "--target-box",
        "0 0.5,0,1,0.5",
    ]);
    let said = contains("style scores").and(contains("network scores"));
    command.assert().success().stderr(said);
    let mut command = desk.run(&["replay", "fox.png", "--device", "cpu", "--out", "again.png"]);
    command.assert().success();
    assert!(fs::read(desk.path("fox.png")).unwrap() == fs::read(desk.path("again.png")).unwrap());
}

#[test]
fn published_networks_that_cannot_guide_are_refused_in_a_sentence() {
    let desk = Desk::new();
    square(&desk, "mask.png", 64);
    plain(&desk, "photo.png", 64, [200, 40, 40]);
    fs::create_dir(desk.path("empty")).unwrap();
    let clip = weights("clip.pth");
    fs::write(desk.path("cut.pth"), &fs::read(&clip).unwrap()[..9000]).unwrap();
    let small = network("small.onnx");
    refuse(
        &desk,
        &[
            (
                &["--class", "dog", "--clip", &clip],
                2,
                "give it --style or --text",
            ),
            (&["--text", "a fox", "--clip", &clip], 2, "no text encoder"),
            (
                &["--class", "dog", "--box-detector", &clip],
                2,
                "give it a --box",
            ),
            (
                &["--box", "dog 0,0,1,1", "--box-detector", &clip],
                2,
                "fasterrcnn_resnet50_fpn_v2 is read",
            ),
            (
                &[
                    "--face",
                    "photo.png",
                    "--recogniser",
                    &small,
                    "--detector",
                    "empty",
                ],
                2,
                "holds pnet.pt, rnet.pt, onet.pt",
            ),
            (
                &[
                    "--face",
                    "photo.png",
                    "--recogniser",
                    &small,
                    "--detector",
                    &clip,
                ],
                2,
                "none of MTCNN's networks",
            ),
            (&["--text", "a fox", "--clip", "cut.pth"], 2, "cut short"),
            (
                &["--text", "a fox", "--clip", "empty"],
                2,
                "model.safetensors",
            ),
            (
                &["--text", "a fox", "--clip", &small],
                2,
                "it is an ONNX graph",
            ),
            (
                &["--text", "a fox", "--clip", &weights("zip.pth")],
                2,
                "no encoder that is known here",
            ),
            (
                &["--segment", "mask.png", "--segmenter", &clip],
                2,
                "such as dog",
            ),
            (
                &[
                    "--segment",
                    "mask.png",
                    "--segmenter",
                    &clip,
                    "--segment-class",
                    "dog",
                ],
                2,
                "backbone",
            ),
            (
                &["--face", "photo.png", "--recogniser", &clip],
                2,
                "tells no faces apart",
            ),
        ],
    );
}

#[test]
fn onnx_networks_that_guide_nothing_are_refused_in_a_sentence() {
    let desk = Desk::new();
    let vast = fs::File::create(desk.path("vast.onnx")).unwrap();
    // Nothing of it is stored.
    vast.set_len(5 << 30).unwrap();
    let cells = network("cells.onnx");
    refuse(
        &desk,
        &[
            (
                &["--onnx", &cells, "--target-box", "dog 0,0,1,1"],
                2,
                "classes by number",
            ),
            (
                &["--onnx", &cells, "--target-box", "7 0,0,1,1"],
                2,
                "classes 0 to 2, and 7 is none",
            ),
            (
                &["--onnx", &cells, "--target-box", "1 0,0,1,2"],
                2,
                "none in the picture",
            ),
            (
                &[
                    "--onnx",
                    &cells,
                    "--target-box",
                    "1 0,0,1,1",
                    "--loss",
                    "l1",
                ],
                2,
                "a loss of their own",
            ),
            (
                &["--onnx", "vast.onnx", "--target-class", "0"],
                2,
                "take a smaller one",
            ),
            (
                &["--onnx", &network("loop.onnx"), "--target-class", "0"],
                2,
                "Loop",
            ),
            (
                &["--onnx", &network("nothing.onnx"), "--target-class", "0"],
                1,
                "no numbers",
            ),
        ],
    );
}

/// Each of these flags is refused with this exit code and these words, and nothing is written.
fn refuse(desk: &Desk, cases: &[(&[&str], i32, &str)]) {
    let before = desk.files();
    for (flags, code, said) in cases {
        let mut command = desk.run(&["guide", "a fox", "--bare"]);
        command.args(QUICK).args(["--guide-window", "0..1"]);
        command.args(*flags);
        command.assert().code(*code).stderr(contains(*said));
    }
    assert_eq!(desk.files(), before);
}

#[test]
fn who_guided_is_not_who_ranks() {
    let desk = Desk::new();
    let mut command = desk.run(&[
        "guide", "a fox", "--class", "fox", "--bare", "--trials", "2",
    ]);
    command.args(QUICK).args(["--colour", "#3060c0"]);
    let said = contains("by who did not guide (class)").and(contains("judge (colour)"));
    let said = said
        .and(contains("class scores"))
        .and(contains("who did not guide: "));
    command.assert().success().stderr(said);
    let ranking = [
        "rank",
        "a-fox-4.png",
        "a-fox-5.png",
        "--class",
        "fox",
        "--json",
    ];
    let assert = desk.run(&ranking).args(["--device", "cpu"]).assert();
    let output = assert.success().get_output().stdout.clone();
    let text = String::from_utf8(output).unwrap();
    let rows: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let scores: Vec<_> = rows.iter().map(|row| &row["scores"][0]).collect();
    assert!(
        scores
            .iter()
            .all(|score| score["held_out"] == true && score["guide"] == "class")
    );
    let of = |at: usize, key: &str| scores[at][key].as_f64().unwrap();
    assert!(of(0, "score") >= of(1, "score"));
    assert!((0..2).all(|at| (of(at, "score") - of(at, "guides_own")).abs() > 1e-6));
}

#[test]
fn no_fresh_noise_can_be_asked_of_a_preset_that_has_some() {
    let desk = Desk::new();
    let make = |eta: &[&str], name: &str| {
        let mut command = desk.run(&["guide", "a fox", "--colour", "#3060c0", "--bare"]);
        command.args(["--preset", "dps", "--out", name]).args(eta);
        command.args(QUICK).assert().success();
        let bytes = fs::read(desk.path(name)).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    assert!(make(&[], "usual.png").contains("\"eta\":1.0"));
    assert!(make(&["--eta", "0"], "none.png").contains("\"eta\":0.0"));
}
