//! What is inverted and sampled again under its own prompt, with everything lent, is what it was.

#![cfg(feature = "mini")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use guidestar::{
    diffusion::Window,
    measures::{mse, psnr},
    picture::{self, Framing, Picture},
    session::{Edit, Job, Origin, Session, Source},
    tensor::Device,
    weights::{Checkpoint, mini},
};
use pollster::block_on;

const PROMPT: &str = "a red apple on a yellow background";

/// The picture that mini makes of its own latents, and what inversion and sampling make of it, in decibels.
fn fidelity(picture: &Picture, steps: usize, cfg_scale: f64) -> f64 {
    let device = Device::cpu().unwrap();
    let checkpoint = block_on(Checkpoint::open_files(&mini::files())).unwrap();
    let session = block_on(Session::open(&device, "mini", &checkpoint, &mut |_| ())).unwrap();
    let mut edit = Edit::of(Source::Picture {
        path: "source.png".to_owned(),
        sha256: String::new(),
        prompt: PROMPT.to_owned(),
        crop: None,
    });
    edit.inversion_steps = Some(steps);
    edit.feature_window = Some(Window::ALL);
    edit.attention_window = Some(Window::ALL);
    let job = Job {
        prompt: PROMPT.to_owned(),
        steps: Some(steps),
        cfg_scale: Some(cfg_scale),
        edit: Some(edit),
        ..Job::default()
    };
    let job = job.check(&session.blueprint().traits).unwrap();
    let size = [job.size.width_px, job.size.height_px];
    let framed = Framing::default().apply(picture, size).unwrap();
    let origin = Origin::new(&job, "mini", Some(&framed), device.dtype());
    let mut trace = session.trace(&job, origin, Some(&framed)).unwrap();
    while block_on(trace.step()).unwrap().is_some() {}
    let traced = trace.take().unwrap();
    // The autoencoder loses something of any picture, which is not the inversion's fault.
    let clean = block_on(session.picture(&job, traced.trajectory.clean())).unwrap();
    let mut run = session.start_edit(job, &traced, None).unwrap();
    let mut made = None;
    while block_on(run.step()).unwrap().is_some() {
        made = run.take().or(made);
    }
    psnr(mse(&made.unwrap().picture, &clean, None))
}

/// A red apple that other code composed.
fn composed() -> Picture {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/composed/pictures.png"
    );
    let sheet = picture::open(&std::fs::read(path).unwrap())
        .unwrap()
        .picture;
    let tile = Framing {
        crop: Some("128,64,64,64".parse().unwrap()),
        ..Framing::default()
    };
    tile.apply(&sheet, [128, 128]).unwrap()
}

#[test]
fn a_picture_under_its_own_prompt_comes_back_from_inversion() {
    let found = fidelity(&composed(), 10, 1.0);
    eprintln!("{found:.1} dB in 10 steps");
    assert!(found > 25.0, "{found:.1} dB");
}

#[test]
#[ignore = "takes a minute: fifty steps up and fifty down"]
fn in_fifty_steps_it_comes_back_above_thirty_decibels() {
    let found = fidelity(&composed(), 50, 1.0);
    eprintln!("{found:.1} dB in 50 steps");
    assert!(found > 30.0, "{found:.1} dB");
    // Guided as strongly as mini likes it, the prompt is followed beyond what the picture was.
    let guided = fidelity(&composed(), 50, 7.5);
    eprintln!("{guided:.1} dB at a guidance scale of 7.5");
    assert!(guided < found);
}
