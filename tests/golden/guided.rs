//! Self-attention guidance and its kin, stage by stage and over whole trajectories.

use std::rc::Rc;

use guidestar::{
    Result,
    diffusion::{
        Ddim, Level, Levels, Pndm, Sampler, Schedule, Window,
        schedule::{Evaluation, Following, PredictionType, ScheduleConfig, Spacing},
        x0_from_eps,
    },
    guidance::{
        ApgSettings, Cfg, Denoiser, FreeU, FreeUSettings, Gating, PagSettings, Perturbed,
        Prediction, Projected, Sag, SagSettings, SegSettings, eps_from_output,
        sag::{MID, salient_mask},
        slow_waves,
    },
    models::{
        config::UnetConfig,
        unet::{NoTap, Site, Tap},
    },
    tensor::{DType, Device, Tensor},
};

use super::{devices, fixture::Fixture, pass_limit, unet};

/// Greatest error after ten steps in f32.
const WALK_LIMIT: f64 = 1e-5;
/// Blocks of the small U-Net on its way down.
const BLOCKS: usize = 4;

fn schedule() -> Schedule {
    Schedule::new(&ScheduleConfig::default(), Evaluation::Single)
}

fn steps(count: usize) -> Vec<(Level, Level)> {
    let schedule = schedule();
    let grid = schedule.grid(count, Spacing::Leading).expect("they fit");
    schedule.steps(&grid, Following::Ratio)
}

fn every(walk: &[(Level, Level)]) -> Levels {
    Window::ALL.levels(walk)
}

/// Classifier-free guidance with the small U-Net and a fixture's contexts.
fn cfg(fixture: &Fixture, device: &Device, kind: PredictionType, scale: f64) -> Cfg {
    let contexts = fixture.tensor("contexts", device);
    let (uncond, cond) = (contexts.rows(0..1), contexts.rows(1..2));
    Cfg::new(Rc::new(unet(device)), kind, cond, uncond, scale)
}

/// Walks to the end, and gives the final latents.
fn walk(
    denoiser: &mut dyn Denoiser,
    sampler: &mut dyn Sampler,
    start: Tensor,
    walk: &[(Level, Level)],
) -> Tensor {
    walk.iter().fold(start, |x, &(from, to)| {
        let prediction = denoiser.predict(&x, from, &mut NoTap).expect("no reads");
        let next = sampler.step(&x, &prediction.eps, from, to);
        let mut results = vec![&next, &prediction.eps];
        results.extend(&prediction.remembered);
        x.device().eval(&results).expect("the device computes");
        next
    })
}

/// Keeps what passes through on its way to the outer denoiser, and what the degraded latents were.
struct Spy<'a> {
    inner: Cfg,
    degraded: &'a mut Option<(Tensor, Tensor)>,
}

impl Denoiser for Spy<'_> {
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction> {
        self.inner.predict(x, at, tap)
    }

    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Tensor> {
        let eps = self.inner.unguided(x, at, tap)?;
        *self.degraded = Some((x.clone(), eps.clone()));
        Ok(eps)
    }
}

/// The processor, and for one case of each technique every other device too: on Mesa's software GPU a new plan takes
/// seconds, and its kernels are the same in every case.
fn devices_for(everywhere: bool) -> Vec<Device> {
    let mut devices = devices();
    devices.truncate(if everywhere { devices.len() } else { 1 });
    devices
}

/// Every stage of one step, and the final latents of ten.
fn sag_is(name: &str, kind: PredictionType, pndm: bool) {
    let fixture = Fixture::read(name);
    for device in devices_for(name == "sag_ddim") {
        for (case, scale) in [("cfg", 7.5), ("plain", 1.0)] {
            // What differs without guidance by a prompt is told by the processor.
            if device.info().api != "cpu" && case == "plain" {
                continue;
            }
            let settings = SagSettings::default();
            sag_stages_are(&fixture, &device, kind, (case, scale));
            // Storage in f16 rounds the latents at every step; no limit is set for what ten of these add up to.
            if device.dtype() == DType::F16 {
                continue;
            }
            let mut walked = steps(10);
            let mut sampler: Box<dyn Sampler> = Box::new(Ddim::deterministic());
            if pndm {
                walked = Pndm::steps(&walked);
                sampler = Box::new(Pndm::new());
            }
            let inner = cfg(&fixture, &device, kind, scale);
            let mut sag = Sag::new(inner, settings, kind, every(&walked), BLOCKS);
            let start = fixture.tensor("start", &device);
            let last = walk(&mut sag, &mut *sampler, start, &walked);
            fixture.check(&format!("{case}.final"), &last, WALK_LIMIT);
        }
    }
}

fn sag_stages_are(
    fixture: &Fixture,
    device: &Device,
    kind: PredictionType,
    (case, scale): (&str, f64),
) {
    let limit = pass_limit(device);
    let key = |stage: &str| format!("{case}.{stage}");
    let x = fixture.tensor(&key("x"), device);
    let at = schedule().level(fixture.rows(&key("t"))[0][0] as usize);
    let walked = [(at, at)];

    let mut degraded = None;
    let spy = Spy {
        inner: cfg(fixture, device, kind, scale),
        degraded: &mut degraded,
    };
    let mut sag = Sag::new(spy, SagSettings::default(), kind, every(&walked), BLOCKS);
    let found = sag.predict(&x, at, &mut NoTap).expect("nothing is read");
    // A mask is right or wrong.
    fixture.check(&key("mask"), &found.maps[0].values, 0.0);
    let guided = eps_from_output(kind, &fixture.tensor(&key("guided"), device), &x, at);
    let guided = pollster::block_on(guided.read()).expect("the device computes");
    fixture.check_against(&key("guided as noise"), &found.eps, &guided, limit);

    // What was blurred follows from the prediction that the latents were degraded by.
    let reference = found.uncond.as_ref().unwrap_or(&found.cond);
    let x0 = x0_from_eps(&x, reference, at);
    fixture.check(&key("blurred"), &x0.gaussian_blur(9, 1.0), limit);
    let (degraded, eps) = degraded.expect("there was a second forward");
    fixture.check(&key("degraded"), &degraded, limit);
    let second = fixture.tensor(&key("second"), device);
    let second = eps_from_output(kind, &second, &degraded, at);
    let second = pollster::block_on(second.read()).expect("the device computes");
    fixture.check_against(&key("second as noise"), &eps, &second, limit);

    let probs = fixture.tensor(&key("probs"), device);
    let mask = salient_mask(&probs, 1.0, [3, 2], [20, 12]);
    fixture.check(&key("mask"), &mask, 0.0);
}

/// Hears the attention that SAG listens to.
struct Hear<'a> {
    fixture: &'a Fixture,
    key: &'a str,
    heard: usize,
}

impl Tap for Hear<'_> {
    fn wants_probs(&self, at: Site) -> bool {
        at == MID
    }

    fn probs(&mut self, _: Site, p: Tensor) -> Tensor {
        self.heard += 1;
        let limit = pass_limit(p.device());
        self.fixture.check(self.key, &p.rows(0..1), limit);
        p
    }
}

#[test]
fn the_map_of_sag_is_that_of_diffusers() {
    let fixture = Fixture::read("sag_ddim");
    for device in devices() {
        for (case, scale) in [("cfg", 7.5), ("plain", 1.0)] {
            let x = fixture.tensor(&format!("{case}.x"), &device);
            let t = fixture.rows(&format!("{case}.t"))[0][0] as usize;
            let mut tap = Hear {
                fixture: &fixture,
                key: &format!("{case}.probs"),
                heard: 0,
            };
            let mut cfg = cfg(&fixture, &device, PredictionType::Epsilon, scale);
            cfg.predict(&x, schedule().level(t), &mut tap)
                .expect("nothing is read");
            assert_eq!(tap.heard, 1);
        }
    }
}

#[test]
fn sag_with_ddim_is_that_of_diffusers() {
    sag_is("sag_ddim", PredictionType::Epsilon, false);
}

#[test]
fn sag_with_pndm_is_that_of_diffusers() {
    sag_is("sag_pndm", PredictionType::Epsilon, true);
}

#[test]
fn sag_on_velocities_is_that_of_diffusers() {
    sag_is("sag_ddim_v", PredictionType::VPrediction, false);
}

#[test]
fn sag_on_clean_latents_is_that_of_diffusers() {
    sag_is("sag_ddim_sample", PredictionType::Sample, false);
}

/// The devices on which whole walks are compared.
fn devices_for_walks(everywhere: bool) -> impl Iterator<Item = Device> {
    devices_for(everywhere)
        .into_iter()
        .filter(|device| device.dtype() == DType::F32)
}

#[test]
fn pag_is_that_of_diffusers() {
    let fixture = Fixture::read("pag");
    let usual = PagSettings::default;
    let site = |name: &str| name.parse::<Site>().expect("a site");
    for (case, scale, rescale, settings) in [
        ("cfg", 7.5, 0.0, usual()),
        ("plain", 1.0, 0.0, usual()),
        (
            "adaptive",
            7.5,
            0.0,
            PagSettings {
                adaptive: 0.01,
                ..usual()
            },
        ),
        ("rescaled", 7.5, 0.7, usual()),
        (
            "layers",
            4.0,
            0.0,
            PagSettings {
                layers: vec![
                    site("down_blocks.2.attentions.0"),
                    site("up_blocks.1.attentions.1"),
                ],
                ..usual()
            },
        ),
    ] {
        for device in devices_for_walks(case == "rescaled") {
            let walked = steps(4);
            let mut pag = cfg(&fixture, &device, PredictionType::Epsilon, scale)
                .rescaled(rescale)
                .perturbed(Perturbed::identity(&settings, every(&walked)));
            let x = fixture.tensor("x", &device);
            let last = walk(&mut pag, &mut Ddim::deterministic(), x, &walked);
            fixture.check(&format!("{case}.final"), &last, WALK_LIMIT);
        }
    }
}

#[test]
fn seg_follows_its_authors_code() {
    let fixture = Fixture::read("seg");
    let at = schedule().level(601);
    for (case, sigma, layer) in [
        ("narrow", 0.4, "mid_block.attentions.0"),
        ("wide", 100.0, "down_blocks.1.attentions.1"),
        ("infinite", 1e5, "down_blocks.1.attentions.1"),
    ] {
        for device in devices_for(case == "wide") {
            let settings = SegSettings {
                sigma,
                layers: vec![layer.parse().expect("a site")],
                ..SegSettings::default()
            };
            let perturbed = Perturbed::blurred(&settings, every(&[(at, at)]));
            let mut seg = cfg(&fixture, &device, PredictionType::Epsilon, 7.5).perturbed(perturbed);
            let x = fixture.tensor("x", &device);
            let found = seg.predict(&x, at, &mut NoTap).expect("nothing is read");
            // Guidance multiplies the rounding of f16 by some ten.
            let limit = match device.dtype() {
                DType::F32 => 1e-7,
                DType::F16 => 1e-3,
            };
            fixture.check(&format!("{case}.guided"), &found.eps, limit);
        }
    }
}

#[test]
fn freeu_is_that_of_diffusers_and_of_its_author() {
    let fixture = Fixture::read("freeu");
    let widths = UnetConfig::tiny().block_out_channels;
    for (place, device) in devices().into_iter().enumerate() {
        let context = fixture.tensor("context", &device);
        let x = fixture.tensor("x", &device);
        let model = Rc::new(unet(&device));
        for (gating, name) in [(Gating::Stages, "stages"), (Gating::Channels, "channels")] {
            for version in [1, 2] {
                let everywhere = (gating, version) == (Gating::Channels, 2);
                if place > 0 && !everywhere {
                    continue;
                }
                let settings = FreeUSettings {
                    version,
                    gating,
                    ..FreeUSettings::default()
                };
                let kind = PredictionType::Epsilon;
                let cfg = Cfg::new(model.clone(), kind, context.clone(), context.clone(), 1.0);
                let mut freeu = FreeU::new(cfg, settings, &widths);
                let found = freeu
                    .predict(&x, schedule().level(601), &mut NoTap)
                    .expect("nothing is read");
                fixture.check(
                    &format!("{name}.{version}"),
                    &found.eps,
                    pass_limit(&device),
                );
            }
        }
        let slow = slow_waves(&fixture.tensor("wave", &device));
        fixture.check("slow", &slow, pass_limit(&device));
    }
}

#[test]
fn projected_guidance_follows_diffusers() {
    let fixture = Fixture::read("apg");
    for device in devices_for_walks(true) {
        for (case, eta, norm, momentum) in [("usual", 1.0, 0.5, 0.0), ("across", 0.0, 2.0, -0.5)] {
            let settings = ApgSettings {
                eta,
                norm,
                momentum,
            };
            let mut apg = cfg(&fixture, &device, PredictionType::Epsilon, 7.5)
                .projected(Projected::new(settings));
            let x = fixture.tensor("x", &device);
            let last = walk(&mut apg, &mut Ddim::deterministic(), x, &steps(3));
            fixture.check(&format!("{case}.final"), &last, WALK_LIMIT);
        }
    }
}
