//! The same job on every device: the same picture but for rounding, and the same bytes on each.
//!
//! `GUIDESTAR_TEST_GPU=no` leaves out the GPU; Mesa's software one will do.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::env;

use guidestar::{
    guidance::ApgSettings,
    picture::Picture,
    session::{Event, Job, Made, SamplerName, Session, Size},
    tensor::{Device, GpuOptions, Precision},
    weights::{Checkpoint, mini},
};
use pollster::block_on;

fn session(device: &Device) -> Session {
    let checkpoint = block_on(Checkpoint::open_files(&mini::files())).unwrap();
    block_on(Session::open(device, "mini", &checkpoint, &mut |_| ())).unwrap()
}

fn job(steps: usize) -> Job {
    Job {
        prompt: "a red apple on a blue background".to_owned(),
        size: Some(Size::square(64)),
        steps: Some(steps),
        seed: 1,
        ..Job::default()
    }
}

/// The picture of a job, and what `each` says after each step.
fn make<T>(session: &Session, job: &Job, each: impl Fn() -> T) -> (Made, Vec<T>) {
    let checked = job.check(&session.blueprint().traits).unwrap();
    let mut run = session.start(checked, None).unwrap();
    let mut said = Vec::new();
    while let Some(event) = block_on(run.step()).unwrap() {
        match event {
            Event::Step { .. } => said.push(each()),
            Event::Picture { .. } => return (run.take().unwrap(), said),
            _ => {}
        }
    }
    panic!("the run ended without a picture")
}

/// Peak signal-to-noise ratio in decibels; infinite for equal pictures.
fn psnr(a: &Picture, b: &Picture) -> f64 {
    let pairs = a.rgb().iter().zip(b.rgb());
    let squares: f64 = pairs
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
        .sum();
    10.0 * (255.0f64.powi(2) * a.rgb().len() as f64 / squares).log10()
}

fn gpu(precision: Precision, packed: bool) -> Device {
    let options = GpuOptions {
        precision,
        packed,
        ..GpuOptions::default()
    };
    block_on(Device::gpu(options)).expect("a GPU, or Mesa's software one")
}

#[test]
fn every_device_makes_the_same_picture_and_makes_it_again() {
    let job = job(6);
    let on_cpu = session(&Device::cpu().unwrap());
    let (expected, _) = make(&on_cpu, &job, || ());
    let (again, _) = make(&on_cpu, &job, || ());
    assert!(
        expected.latents == again.latents,
        "the CPU does not repeat itself"
    );
    if env::var("GUIDESTAR_TEST_GPU").is_ok_and(|value| value == "no") {
        return;
    }
    for (precision, packed, least_db) in [
        (Precision::F32, false, 40.0),
        (Precision::F16, false, 30.0),
        (Precision::F16, true, 30.0),
    ] {
        let device = gpu(precision, packed);
        let what = format!("{precision:?} packed {packed}");
        let session = session(&device);
        let (made, counts) = make(&session, &job, || device.counters());
        let found_db = psnr(&made.picture, &expected.picture);
        println!("{what}: {found_db:.1} dB");
        assert!(found_db >= least_db, "{what}: {found_db:.1} dB");
        // The first step makes the plan; the second still fills the pools that results are handed out from.
        let (second, last) = (counts[1], counts[counts.len() - 1]);
        assert_eq!(last.plans, second.plans, "{what}: plans");
        assert_eq!(last.pipelines, second.pipelines, "{what}: pipelines");
        assert_eq!(last.allocations, second.allocations, "{what}: allocations");
        let (again, _) = make(&session, &job, || ());
        assert!(
            made.latents == again.latents,
            "{what} does not repeat itself"
        );
    }
}

#[test]
fn the_cfg_scale_one_needs_no_negative_prompt() {
    let session = session(&Device::cpu().unwrap());
    let alone = Job {
        cfg_scale: Some(1.0),
        ..job(2)
    };
    let (expected, _) = make(&session, &alone, || ());
    let negative = Job {
        negative: "green".to_owned(),
        ..alone
    };
    let (found, _) = make(&session, &negative, || ());
    assert!(
        expected.latents == found.latents,
        "a negative prompt without weight changed the picture"
    );
}

/// The events of a job whose device is lost after so many steps, and the picture it ends with on another.
fn make_in_two(job: &Job, steps: usize) -> (Vec<usize>, Made) {
    let before = session(&Device::cpu().unwrap());
    let checked = || job.check(&before.blueprint().traits).unwrap();
    let mut run = before.start(checked(), None).unwrap();
    let mut told = Vec::new();
    while told.len() < steps {
        if let Some(Event::Step { step, .. }) = block_on(run.step()).unwrap() {
            told.push(step);
        }
    }
    let at = run.waypoint().clone();
    drop(run);
    let after = session(&Device::cpu().unwrap());
    let mut run = after.start(checked(), None).unwrap();
    run.go_on_from(at);
    loop {
        match block_on(run.step()).unwrap().unwrap() {
            Event::Step { step, .. } => told.push(step),
            Event::Picture { .. } => return (told, run.take().unwrap()),
            _ => {}
        }
    }
}

#[test]
fn a_run_goes_on_where_another_was() {
    let session = session(&Device::cpu().unwrap());
    let plain = job(6);
    let fresh_noise = Job {
        eta: Some(1.0),
        ..plain.clone()
    };
    let multistep = Job {
        sampler: SamplerName::Pndm,
        ..plain.clone()
    };
    for (job, steps) in [
        (&plain, 6),
        (&fresh_noise, 2),
        (&multistep, 1),
        (&multistep, 6),
    ] {
        let (whole, _) = make(&session, job, || ());
        let (told, made) = make_in_two(job, steps);
        assert!(told.iter().copied().eq(1..=told.len()), "{told:?}");
        assert_eq!(
            made.latents, whole.latents,
            "{:?} after {steps}",
            job.sampler
        );
        assert_eq!(made.picture, whole.picture);
    }
}

#[test]
fn what_only_a_device_remembers_begins_anew() {
    let remembering = Job {
        apg: Some(ApgSettings {
            eta: 0.0,
            momentum: -0.5,
            ..ApgSettings::default()
        }),
        ..job(3)
    };
    let session = session(&Device::cpu().unwrap());
    let (whole, _) = make(&session, &remembering, || ());
    let (told, made) = make_in_two(&remembering, 2);
    assert_eq!(told, [1, 2, 1, 2, 3]);
    assert_eq!(made.latents, whole.latents);
}
