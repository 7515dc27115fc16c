//! What the tests in browsers compare with: a short job of the default model, as the processor does it.

use std::{env, fs, path::PathBuf};

use guidestar::{
    session::{Job, Session},
    tensor::Device,
    weights::{Checkpoint, mini, write::save_tensors},
};

use super::fixture::Fixture;

/// Other processors round otherwise.
const LIMIT: f64 = 1e-8;

/// `UPDATE_SNAPSHOTS=1` draws it anew, after the default model was changed.
#[test]
fn the_job_that_browsers_repeat_is_the_processors() {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let text = fs::read_to_string(fixtures.join("mini_job.json")).unwrap();
    let device = Device::cpu().unwrap();
    let checkpoint = pollster::block_on(Checkpoint::open_files(&mini::files())).unwrap();
    let mut quiet = |_| ();
    let opening = Session::open(&device, "mini", &checkpoint, &mut quiet);
    let session = pollster::block_on(opening).unwrap();
    let job = Job::from_json(&text).unwrap();
    let job = job.check(&session.blueprint().traits).unwrap();
    let mut run = session.start(job, None).unwrap();
    let made = loop {
        pollster::block_on(run.step()).unwrap().unwrap();
        if let Some(made) = run.take() {
            break made;
        }
    };
    let [h, w] = run.latent_size();
    if env::var("UPDATE_SNAPSHOTS").is_ok() {
        let path = fixtures.join("mini_job.safetensors");
        save_tensors(&path, &[("latents", &[1, 4, h, w], &made.latents)]).unwrap();
    }
    let found = device.tensor([1, 4, h, w], made.latents);
    Fixture::read("mini_job").check("latents", &found, LIMIT);
}
