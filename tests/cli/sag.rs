//! `sag`, and the flags of techniques on `generate`.

use std::fs;

use predicates::str::contains;

use super::desk::Desk;

#[test]
fn sag_sets_both_pictures_side_by_side_and_its_picture_can_be_replayed() {
    let desk = Desk::new();
    // Any smaller, and mini's middle has one place only, which no other stands out from.
    let quick = ["--device", "cpu", "--size", "128x128", "--steps", "2"];
    let mut command = desk.run(&["sag", "a fox", "--seed", "4", "--masks", "--out", "fox.png"]);
    command.arg("--previews").args(quick).assert().success();
    let mut files = desk.files();
    files.sort();
    let names = [
        "compare",
        "plain",
        "sag-mask",
        "sag-masks",
        "sag-steps",
        "sag",
    ];
    let mut expected = names.map(|name| format!("fox-{name}.png"));
    expected.sort();
    assert_eq!(files, expected);
    let compare = image::open(desk.path("fox-compare.png")).unwrap();
    assert!(compare.width() > 2 * 128 && compare.height() > 128);
    let steps = image::open(desk.path("fox-sag-steps.png")).unwrap();
    assert!(steps.width() > 2 * 128 && steps.width() < 3 * 128);
    let [plain, sag] = ["plain", "sag"].map(|name| desk.path(&format!("fox-{name}.png")));
    let pixels = |path| image::open(path).unwrap().to_rgb8().into_raw();
    assert!(pixels(&plain) != pixels(&sag), "SAG changed nothing");
    let text = String::from_utf8_lossy(&fs::read(&sag).unwrap()).into_owned();
    assert!(
        text.contains("SAG Guidance Scale: 0.75"),
        "no word of SAG in the settings"
    );
    desk.run(&[
        "replay",
        "fox-sag.png",
        "--device",
        "cpu",
        "--out",
        "again.png",
    ])
    .assert()
    .success();
    assert!(fs::read(&sag).unwrap() == fs::read(desk.path("again.png")).unwrap());
    // The picture without is what the command without makes.
    let mut command = desk.run(&["generate", "a fox", "--seed", "4", "--out", "g.png"]);
    command.args(quick).assert().success();
    assert!(fs::read(&plain).unwrap() == fs::read(desk.path("g.png")).unwrap());
}

#[test]
fn scales_are_compared_in_one_strip_and_a_scale_of_zero_is_no_guidance() {
    let desk = Desk::new();
    let mut command = desk.run(&["sag", "a fox", "--compare", "0,1", "--out", "fox.png"]);
    let quick = ["--device", "cpu", "--size", "128x128", "--steps", "1"];
    let settings = ["--sag-preset", "comfyui", "--seed", "4"];
    command.args(quick).args(settings).assert().success();
    let mut expected =
        ["compare", "plain", "sag-0", "sag-1-mask", "sag-1"].map(|name| format!("fox-{name}.png"));
    expected.sort();
    assert_eq!(desk.files(), expected);
    let strip = image::open(desk.path("fox-compare.png")).unwrap();
    assert!(strip.width() > 3 * 128 && strip.width() < 4 * 128);
    let pixels = |name| image::open(desk.path(name)).unwrap().to_rgb8();
    assert!(pixels("fox-sag-0.png") == pixels("fox-plain.png"));
    assert!(pixels("fox-sag-1.png") != pixels("fox-plain.png"));
    let text = String::from_utf8_lossy(&fs::read(desk.path("fox-sag-1.png")).unwrap()).into_owned();
    assert!(
        text.contains("SAG Blur Sigma: 2"),
        "the preset is not heard"
    );
}

#[test]
fn techniques_that_cannot_work_are_refused_in_a_sentence() {
    let desk = Desk::new();
    for (flags, said) in [
        (&["--sag-sigma", "0"][..], "sigma of 0"),
        (&["--sag-kernel", "4"], "must have a middle"),
        (&["--sag-layer", "up_blocks.0.attentions.0"], "choose among"),
        (&["--sag-window", "2"], "from 0 to 1"),
        (&["--sag-scale", "1", "--size", "32x64"], "larger --size"),
        (&["--pag-scale", "nan"], "finite"),
        (&["--seg-sigma", "-1"], "above 0"),
        (&["--freeu=1,2"], "four numbers"),
        (&["--cfg-rescale", "2"], "between 0 and 1"),
        (&["--apg-norm", "-1"], "below 0"),
    ] {
        let mut command = desk.run(&["generate", "a fox", "--device", "cpu"]);
        command.args(flags).assert().code(2).stderr(contains(said));
    }
    assert!(desk.files().is_empty());
}
