//! `pnp`, `invert`, and what remembers them.

use std::fs;

use assert_cmd::Command;
use image::{Rgb, RgbImage, Rgba, RgbaImage};
use predicates::{prelude::PredicateBooleanExt as _, str::contains};
use safetensors::SafeTensors;

use super::desk::Desk;

/// A picture with something in it.
fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let inside = x.abs_diff(width / 2) < width / 4 && y.abs_diff(height / 2) < height / 4;
        if inside {
            Rgb([200, 40, 30])
        } else {
            Rgb([30, 60, (x * 255 / width) as u8])
        }
    })
}

/// A desk with a photo, and a cache of its own.
fn desk() -> Desk {
    let desk = Desk::new();
    photo(90, 70).save(desk.path("photo.png")).unwrap();
    desk
}

fn run(desk: &Desk, arguments: &[&str]) -> Command {
    let mut command = desk.run(arguments);
    command.env("XDG_CACHE_HOME", desk.path("cache"));
    command
}

const QUICK: [&str; 6] = [
    "--device",
    "cpu",
    "--size",
    "64x64",
    "--inversion-steps",
    "2",
];

/// The shape and the bytes of a tensor in a file.
fn tensor(desk: &Desk, file: &str, name: &str) -> (Vec<usize>, Vec<u8>) {
    let bytes = fs::read(desk.path(file)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let found = tensors.tensor(name).unwrap();
    (found.shape().to_vec(), found.data().to_vec())
}

/// The photo as a fox, in two steps.
fn quick_fox(desk: &Desk, more: &[&str]) -> Command {
    let mut command = run(desk, &["pnp", "photo.png", "a fox", "--steps", "2"]);
    command.args(QUICK).args(more);
    command
}

#[test]
fn a_photo_is_edited_under_several_prompts_and_an_edit_can_be_replayed() {
    let desk = desk();
    let edit = |more: &[&str]| {
        let mut command = run(
            &desk,
            &[
                "pnp",
                "photo.png",
                "a lion, on pink",
                "a fox",
                "--steps",
                "2",
            ],
        );
        command
            .args(QUICK)
            .args(["--out", "out", "--yes", "--previews"])
            .args(["--save-latents", "latents.safetensors"])
            .args(more)
            .assert()
            .success()
    };
    let first = edit(&["--json"])
        .stdout(contains("\"event\":\"trace\""))
        .get_output()
        .clone();
    assert!(String::from_utf8_lossy(&first.stdout).contains("photo-comparison.png"));
    let names = [
        "a-fox-steps",
        "a-fox",
        "a-lion-on-pink-steps",
        "a-lion-on-pink",
        "comparison",
        "reconstruction",
    ];
    let files: Vec<String> = names
        .iter()
        .map(|name| format!("photo-{name}.png"))
        .collect();
    assert_eq!(super::names(&desk.path("out")), files);
    let comparison = image::open(desk.path("out/photo-comparison.png")).unwrap();
    assert!(
        comparison.width() > 4 * 64 && comparison.height() > 64,
        "four labelled pictures"
    );
    let steps = image::open(desk.path("out/photo-a-fox-steps.png")).unwrap();
    assert!(
        steps.width() > 2 * 64 && steps.width() < 3 * 64 && steps.height() > 64,
        "two labelled steps"
    );
    assert_eq!(
        tensor(&desk, "latents.safetensors", "latents").0,
        [2, 4, 8, 8]
    );
    // The second time the latents are there.
    let lion = fs::read(desk.path("out/photo-a-lion-on-pink.png")).unwrap();
    edit(&["--json"]).stdout(
        contains("\"event\":\"trace\"")
            .not()
            .and(contains("by a guess").not()),
    );
    assert!(lion == fs::read(desk.path("out/photo-a-lion-on-pink.png")).unwrap());
    // Picture sites are told, but not where the photo lies.
    let text = String::from_utf8_lossy(&lion).into_owned();
    assert!(text.contains("Edit method: pnp, Edit source: photo.png, Inversion steps: 2"));

    let replay = [
        "replay",
        "out/photo-a-lion-on-pink.png",
        "--device",
        "cpu",
        "--out",
        "again.png",
    ];
    run(&desk, &replay).assert().success();
    assert!(
        lion == fs::read(desk.path("again.png")).unwrap(),
        "the replay differs"
    );
    photo(91, 70).save(desk.path("photo.png")).unwrap();
    run(&desk, &replay)
        .assert()
        .code(2)
        .stderr(contains("another picture than the one that was edited"));
    fs::remove_file(desk.path("photo.png")).unwrap();
    run(&desk, &replay)
        .assert()
        .code(2)
        .stderr(contains("is not there"));
}

#[test]
fn edits_nest_with_what_steers_the_sampling_and_take_every_sampler() {
    let desk = desk();
    let all = [
        "--sag-scale",
        "0.5",
        "--pag-scale",
        "2",
        "--pag-window",
        "0.5",
        "--negative",
        "blue",
    ];
    let mut command = run(
        &desk,
        &[
            "pnp",
            "photo.png",
            "a fox",
            "--steps",
            "3",
            "--sampler",
            "pndm",
        ],
    );
    let small = [
        "--device",
        "cpu",
        "--inversion-steps",
        "2",
        "--size",
        "128x128",
    ];
    command.args(all).args(small).assert().success();
    let text =
        String::from_utf8_lossy(&fs::read(desk.path("photo-a-fox.png")).unwrap()).into_owned();
    for said in [
        "SAG Guidance Scale: 0.5",
        "PAG Scale: 2",
        "Sampler: PLMS",
        "Edit method: pnp",
    ] {
        assert!(text.contains(said), "no word of {said}");
    }
    quick_fox(&desk, &["--eta", "1", "--out", "eta.png"])
        .assert()
        .success();
}

#[test]
fn a_generated_picture_is_edited_too() {
    let desk = desk();
    let prompts = ["--generate", "an apple", "a lemon"];
    let quick = ["--device", "cpu", "--size", "64x64", "--steps", "2"];
    let mut command = run(&desk, &["pnp", "--seed", "3", "--out", "lemon.png"]);
    command.args(prompts).args(quick).assert().success();
    let mut files = [
        "lemon.png",
        "lemon-comparison.png",
        "lemon-reconstruction.png",
    ];
    files.sort_unstable();
    assert_eq!(desk.files()[..1], ["cache"]);
    assert_eq!(desk.files()[1..4], files);
    // What it begins with is what is generated without an edit.
    let mut command = run(
        &desk,
        &["generate", "an apple", "--seed", "3", "--out", "a.png"],
    );
    command.args(quick).assert().success();
    let pixels = |name| image::open(desk.path(name)).unwrap().into_rgb8();
    assert!(pixels("a.png") == pixels("lemon-reconstruction.png"));
    assert!(pixels("a.png") != pixels("lemon.png"));
    let replay = ["replay", "lemon.png", "--device", "cpu", "--out", "b.png"];
    run(&desk, &replay).assert().success();
    assert!(fs::read(desk.path("b.png")).unwrap() == fs::read(desk.path("lemon.png")).unwrap());
    let mut command = run(&desk, &["pnp", "--source-prompt", "a fox"]);
    command
        .args(prompts)
        .assert()
        .code(2)
        .stderr(contains("leave --source-prompt"));
}

#[test]
fn every_way_of_guiding_away_and_of_inverting_makes_a_picture_of_its_own() {
    let desk = desk();
    let mut made: Vec<RgbImage> = Vec::new();
    for more in [
        &[][..],
        &["--negative", "blue"],
        &["--negative", "blue", "--negative-alpha", "0.5"],
        &[
            "--negative",
            "blue",
            "--negative-alpha",
            "0.5",
            "--negative-schedule",
            "constant",
        ],
        &[
            "--negative",
            "blue",
            "--negative-alpha",
            "0.5",
            "--negative-schedule",
            "exp",
        ],
        &["--source-prompt", "a cat", "--negative-inversion"],
        &["--source-prompt", "a cat"],
        &["--inversion", "source-t"],
    ] {
        let all = [more, &["--cfg-scale", "4", "--out", "x.png", "--yes"]].concat();
        quick_fox(&desk, &all).assert().success();
        let picture = image::open(desk.path("x.png")).unwrap().into_rgb8();
        assert!(!made.contains(&picture), "{more:?} changes nothing");
        made.push(picture);
    }
}

#[test]
fn every_method_edits_a_photo_in_its_own_way() {
    let desk = desk();
    let edit = |method: &str, cfg_scale: &str| {
        let more = [
            "--method",
            method,
            "--source-prompt",
            "a cat",
            "--cfg-scale",
            cfg_scale,
            "--attention-window",
            "1",
            "--out",
            "x.png",
            "--yes",
        ];
        quick_fox(&desk, &more).assert().success();
        image::open(desk.path("x.png")).unwrap().into_rgb8()
    };
    for cfg_scale in ["1", "3"] {
        let pictures =
            ["pnp", "masactrl", "prompt-to-prompt"].map(|method| edit(method, cfg_scale));
        assert!(
            pictures[0] != pictures[1] && pictures[1] != pictures[2] && pictures[2] != pictures[0]
        );
    }
}

#[test]
fn img2img_begins_with_the_noised_picture_and_inverts_nothing() {
    let desk = desk();
    let edit = |strength: &str| {
        let mut command = run(
            &desk,
            &[
                "pnp",
                "photo.png",
                "a fox",
                "--method",
                "img2img",
                "--strength",
                strength,
            ],
        );
        command.args([
            "--device", "cpu", "--size", "64x64", "--steps", "4", "--out", "x.png", "--yes",
            "--json",
        ]);
        let output = command.assert().success().get_output().stdout.clone();
        let text = String::from_utf8(output).unwrap();
        assert!(
            !text.contains("\"event\":\"trace\"") && !text.contains("reconstruction"),
            "{text}"
        );
        let steps = text
            .lines()
            .filter(|line| line.contains("\"event\":\"step\""))
            .count();
        (steps, fs::read(desk.path("x.png")).unwrap())
    };
    let (steps, half) = edit("0.5");
    assert_eq!(steps, 2);
    let (steps, whole) = edit("1");
    assert_eq!(steps, 4);
    assert!(half != whole);
    assert!(String::from_utf8_lossy(&half).contains("Denoising strength: 0.5"));
    let replay = ["replay", "x.png", "--device", "cpu", "--out", "again.png"];
    run(&desk, &replay).assert().success();
    assert!(whole == fs::read(desk.path("again.png")).unwrap());
}

#[test]
fn stored_latents_serve_the_edit_they_were_found_for_and_no_other() {
    let desk = desk();
    let mut command = run(
        &desk,
        &["invert", "photo.png", "--trajectory", "t.safetensors"],
    );
    command
        .args(QUICK)
        .args(["--save-latents", "noise.safetensors"])
        .assert()
        .success();
    assert!(desk.path("photo-reconstruction.png").exists());
    // From its noisiest latents the picture comes back, as one that is generated.
    let (shape, noise) = tensor(&desk, "noise.safetensors", "latents");
    let stored = tensor(&desk, "t.safetensors", "latents").1;
    assert_eq!(shape, [1, 4, 8, 8]);
    assert!(stored.ends_with(&noise), "they are not the noisiest");
    run(
        &desk,
        &[
            "generate",
            "",
            "--latents",
            "noise.safetensors",
            "--steps",
            "2",
            "--cfg-scale",
            "1",
            "--device",
            "cpu",
            "--out",
            "again.png",
        ],
    )
    .assert()
    .success();
    let pixels = |name| image::open(desk.path(name)).unwrap().into_rgb8();
    assert!(pixels("again.png") == pixels("photo-reconstruction.png"));
    let edit = |picture: &str, more: &[&str]| {
        let mut command = run(
            &desk,
            &["pnp", picture, "a fox", "--trajectory", "t.safetensors"],
        );
        command
            .args(["--device", "cpu", "--steps", "3", "--json"])
            .args(more);
        command
    };
    // In another number of steps than they were found in.
    let found = edit("photo.png", &["--size", "64x64"]).assert().success();
    found.stdout(contains("\"event\":\"trace\"").not());
    photo(64, 65).save(desk.path("other.png")).unwrap();
    for (picture, more, said) in [
        (
            "other.png",
            &["--size", "64x64"][..],
            "is of another picture",
        ),
        (
            "photo.png",
            &["--size", "128x64"],
            "is for pictures of 64x64",
        ),
        (
            "photo.png",
            &["--size", "64x64", "--source-prompt", "a lion"],
            "was found with the prompt",
        ),
    ] {
        edit(picture, more).assert().code(2).stderr(contains(said));
    }
    fs::write(desk.path("t.safetensors"), "nonsense").unwrap();
    edit("photo.png", &["--size", "64x64"])
        .assert()
        .code(2)
        .stderr(contains("t.safetensors"));
    assert!(!desk.path("other-a-fox.png").exists());
}

#[test]
fn odd_pictures_are_taken_with_a_word_and_bad_ones_refused() {
    let desk = desk();
    let fixture = |name: &str| {
        let path = format!(
            "{}/tests/fixtures/pictures/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        fs::copy(path, desk.path(name)).unwrap();
    };
    for name in ["animated.gif", "cmyk.jpg", "sixteen.png"] {
        fixture(name);
    }
    RgbImage::new(1, 1).save(desk.path("dot.png")).unwrap();
    RgbImage::from_pixel(30_000, 2, Rgb([9, 99, 9]))
        .save(desk.path("wide.png"))
        .unwrap();
    RgbaImage::from_pixel(9, 9, Rgba([9, 99, 9, 40]))
        .save(desk.path("glass.png"))
        .unwrap();
    let once = [
        "--device",
        "cpu",
        "--size",
        "64x64",
        "--inversion-steps",
        "1",
        "--out",
        "x.png",
        "--yes",
    ];
    for (name, said) in [
        ("dot.png", "dot.png: 1x1 pixels are enlarged to 64x64"),
        ("wide.png", "wide.png: of 30000x2 pixels only the middle"),
        ("glass.png", "glass.png: the picture is partly transparent"),
        ("animated.gif", "animated.gif: the picture is animated"),
        ("cmyk.jpg", ""),
        ("sixteen.png", ""),
    ] {
        let done = run(&desk, &["invert", name]).args(once).assert().success();
        done.stderr(contains(said).and(contains("panicked").not()));
    }
    fs::write(desk.path("text.png"), "hello").unwrap();
    for (name, said) in [
        ("text.png", "text.png: this is no picture"),
        ("missing.png", "could not read missing.png"),
        (".", "could not read ."),
    ] {
        run(&desk, &["invert", name])
            .args(once)
            .assert()
            .code(2)
            .stderr(contains(said));
    }
}

#[test]
fn edits_that_cannot_work_are_refused_in_a_sentence() {
    let desk = desk();
    for (flags, said) in [
        (&["--feature-window", "1.5"][..], "from 0 to 1"),
        (&["--attention-window=-0.1"], "from 0 to 1"),
        (&["--inversion-steps", "0"], "ask for 1 to 999"),
        (
            &["--feature-layers", "up_blocks.9.resnets.0"],
            "residual block",
        ),
        (&["--crop", "80,0,64,64"], "is not inside the picture"),
        (
            &[
                "--sag-scale",
                "1",
                "--sag-layer",
                "up_blocks.0.attentions.0",
            ],
            "choose among",
        ),
        (
            &["--method", "img2img", "--strength", "1.5"],
            "above 0 and at most 1",
        ),
        (
            &["--method", "img2img", "--strength", "0.1", "--steps", "5"],
            "takes none of 5 steps",
        ),
        (
            &["--method", "img2img", "--feature-window", "0.5"],
            "leave windows",
        ),
        (&["--strength", "0.5"], "a strength is img2img's"),
        (&["--negative-alpha", "2"], "between 0 and 1"),
    ] {
        let mut command = run(&desk, &["pnp", "photo.png", "a fox", "--device", "cpu"]);
        command
            .args(flags)
            .assert()
            .code(2)
            .stderr(contains(said))
            .stdout("");
    }
    assert_eq!(desk.files(), ["photo.png"]);
    // Legal, and hardly meant.
    let mut command = run(
        &desk,
        &[
            "pnp",
            "photo.png",
            "a fox",
            "--source-prompt",
            "a fox",
            "--steps",
            "2",
        ],
    );
    command
        .args(QUICK)
        .assert()
        .success()
        .stderr(contains("the prompt is the source's own"));
}

#[test]
fn a_batch_does_edits_too() {
    let desk = desk();
    let job = r#"{"prompt": "a fox", "steps": 2, "size": "64x64", "edit": {"source": {"from": "picture", "path": "photo.png"}, "inversion_steps": 2}}"#;
    let gone = job.replace("photo.png", "gone.png");
    fs::write(desk.path("jobs.jsonl"), format!("{job}\n{gone}\n")).unwrap();
    let batch = || {
        let mut command = run(
            &desk,
            &["batch", "jobs.jsonl", "--out", "out", "--device", "cpu"],
        );
        command
            .assert()
            .code(1)
            .stderr(contains("line 2").and(contains("gone.png")))
    };
    batch().stderr(contains("1 pictures made, 0 were there"));
    let made = fs::read(desk.path("out/000001-0.png")).unwrap();
    batch().stderr(contains("0 pictures made, 1 were there"));
    // The same as by flags.
    quick_fox(&desk, &["--out", "x.png"]).assert().success();
    let pixels = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().to_rgb8().into_raw();
    assert!(pixels(&made) == pixels(&fs::read(desk.path("x.png")).unwrap()));
}
