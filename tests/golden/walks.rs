//! Twenty guided steps of every sampler and kind of prediction.

use std::rc::Rc;

use guidestar::{
    diffusion::{
        Ddim, Level, Pndm, Sampler, Schedule,
        schedule::{Evaluation, Following, PredictionType, ScheduleConfig, Spacing},
    },
    guidance::{Cfg, Denoiser},
    models::unet::NoTap,
    tensor::{DType, Tensor},
};

use super::{devices, fixture::Fixture, unet};

/// Greatest error after twenty steps in f32.
const WALK_LIMIT: f64 = 1e-5;

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
