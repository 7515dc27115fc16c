//! The networks and whole trajectories give what diffusers and transformers give.
//!
//! Parameters are drawn by name on both sides; `tests/fixtures/make_fixtures.py` has the other side.

mod fixtures;

use std::{cell::RefCell, rc::Rc};

use fixtures::Fixture;
use guidestar::{
    diffusion::{
        Ddim, Level, Pndm, Sampler, Schedule,
        schedule::{Evaluation, Following, PredictionType, ScheduleConfig, Spacing},
    },
    guidance::{Cfg, Denoiser},
    models::{
        ClipText, Random, Taesd, Unet, Vae,
        config::{ClipTextConfig, TaesdConfig, UnetConfig, VaeConfig},
        unet::{Block, NoTap, Tap},
    },
    tensor::{DType, Device, Tensor},
};

/// Every device that is to agree.
fn devices() -> Vec<Device> {
    vec![Device::cpu().expect("a processor is always there")]
}

/// Greatest normalised mean square error of one pass through a small network.
fn pass_limit(device: &Device) -> f64 {
    match device.dtype() {
        DType::F32 => 1e-7,
        DType::F16 => 1e-4,
    }
}

/// Greatest error after twenty steps in f32.
const WALK_LIMIT: f64 = 1e-5;

fn unet(device: &Device) -> Unet {
    Unet::new(&UnetConfig::tiny(), &mut Random::new(device)).expect("a drawn network is complete")
}

#[test]
fn clip_text_is_that_of_transformers() {
    let fixture = Fixture::read("clip_text");
    for device in devices() {
        let config = ClipTextConfig::tiny();
        let model = ClipText::new(&config, &mut Random::new(&device)).unwrap();
        let output = model.forward(&fixture.rows("ids"));
        fixture.check("output", &output, pass_limit(&device));
    }
}

/// Compares what each block hands on, in passing.
struct BlockCheck<'a> {
    fixture: &'a Fixture,
    seen: RefCell<Vec<String>>,
}

impl Tap for BlockCheck<'_> {
    fn block(&mut self, at: Block, h: Tensor) -> Tensor {
        let name = at.to_string();
        self.fixture.check(&name, &h, pass_limit(h.device()));
        self.seen.borrow_mut().push(name);
        h
    }
}

#[test]
fn every_block_of_the_unet_is_that_of_diffusers() {
    let fixture = Fixture::read("unet_blocks");
    for device in devices() {
        let mut tap = BlockCheck {
            fixture: &fixture,
            seen: RefCell::default(),
        };
        let x = fixture.tensor("x", &device);
        let context = fixture.tensor("context", &device);
        let output = unet(&device).forward(&x, &[801], &context, &mut tap);
        fixture.check("output", &output, pass_limit(&device));
        assert_eq!(tap.seen.borrow().len(), 9, "four blocks down, one, four up");
    }
}

#[test]
fn unet_rows_have_timesteps_of_their_own_and_any_size() {
    let fixture = Fixture::read("unet_rows");
    for device in devices() {
        let t: Vec<_> = fixture.rows("t")[0].iter().map(|&t| t as usize).collect();
        let x = fixture.tensor("x", &device);
        let context = fixture.tensor("context", &device);
        let output = unet(&device).forward(&x, &t, &context, &mut NoTap);
        fixture.check("output", &output, pass_limit(&device));
    }
}

#[test]
fn vae_is_that_of_diffusers_both_ways() {
    let fixture = Fixture::read("vae");
    for device in devices() {
        let limit = pass_limit(&device);
        let model = Vae::new(&VaeConfig::tiny(), &mut Random::new(&device)).unwrap();
        let posterior = model.encode(&fixture.tensor("image", &device));
        fixture.check("mean", &posterior.mean, limit);
        fixture.check("logvar", &posterior.logvar, limit);
        let decoded = model.decode(&fixture.tensor("latents", &device));
        fixture.check("decoded", &decoded, limit);
    }
}

fn taesd_is(name: &str, config: &TaesdConfig) {
    let fixture = Fixture::read(name);
    for device in devices() {
        let limit = pass_limit(&device);
        let model = Taesd::new(config, &mut Random::new(&device)).expect("a drawn network");
        let encoded = model.encode(&fixture.tensor("image", &device));
        fixture.check("encoded", &encoded, limit);
        let decoded = model.decode(&fixture.tensor("latents", &device));
        fixture.check("decoded", &decoded, limit);
    }
}

#[test]
fn taesd_is_that_of_diffusers_both_ways() {
    taesd_is("taesd", &TaesdConfig::tiny());
}

#[test]
fn taesd_with_norms_inside_is_that_of_its_author_both_ways() {
    taesd_is("taesd_pooled", &TaesdConfig::taef2());
}

/// Walks the twenty steps of a fixture with guidance at 7.5, comparing the latents after each.
fn walk(name: &str, prediction_type: PredictionType, mut sampler: impl FnMut() -> Walker) {
    let fixture = Fixture::read(name);
    let (_, expected) = fixture.floats("walked");
    for device in devices() {
        // Storage in f16 rounds the latents at every step; no limit is set for what twenty of these add up to.
        if device.dtype() == DType::F16 {
            continue;
        }
        let contexts = fixture.tensor("contexts", &device);
        let (uncond, cond) = (contexts.rows(0..1), contexts.rows(1..2));
        let model = Rc::new(unet(&device));
        let mut denoiser = Cfg::new(model, prediction_type, cond, uncond, 7.5);
        let Walker { mut sampler, steps } = sampler();
        let mut x = fixture.tensor("x", &device);
        let mut walked = Vec::new();
        for (from, to) in steps {
            let prediction = denoiser
                .predict(&x, from, &mut NoTap)
                .expect("nothing is read");
            x = sampler.step(&x, &prediction.eps, from, to);
            device.eval(&[&x]).expect("the device computes");
            walked.push(x.clone());
        }
        assert_eq!(expected.len(), walked.len() * x.shape().elements());
        let walked = Tensor::concat(&walked.iter().collect::<Vec<_>>(), 0);
        fixture.check("walked", &walked, WALK_LIMIT);
    }
}

/// A sampler, and the steps it is asked for.
struct Walker {
    sampler: Box<dyn Sampler>,
    steps: Vec<(Level, Level)>,
}

fn twenty_steps() -> Vec<(Level, Level)> {
    let schedule = Schedule::new(&ScheduleConfig::default(), Evaluation::Single);
    let grid = schedule
        .grid(20, Spacing::Leading)
        .expect("twenty steps fit");
    schedule.steps(&grid, Following::Ratio)
}

fn ddim() -> Walker {
    Walker {
        sampler: Box::new(Ddim::deterministic()),
        steps: twenty_steps(),
    }
}

#[test]
fn twenty_ddim_steps_are_those_of_diffusers() {
    walk("ddim", PredictionType::Epsilon, ddim);
}

#[test]
fn twenty_ddim_steps_on_velocities_are_those_of_diffusers() {
    walk("ddim_v", PredictionType::VPrediction, ddim);
}

#[test]
fn twenty_ddim_steps_on_clean_latents_are_those_of_diffusers() {
    walk("ddim_sample", PredictionType::Sample, ddim);
}

#[test]
fn twenty_pndm_steps_are_those_of_diffusers() {
    walk("pndm", PredictionType::Epsilon, || Walker {
        sampler: Box::new(Pndm::new()),
        steps: Pndm::steps(&twenty_steps()),
    });
}
