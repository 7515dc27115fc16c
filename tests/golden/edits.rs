//! Inversions and edits are what their repositories compute.

use std::rc::Rc;

use guidestar::{
    diffusion::{
        Ddim, Inversion, Level, Sampler, Schedule, Trajectory, Window,
        schedule::{Evaluation, Following, PredictionType, ScheduleConfig, Spacing},
    },
    guidance::{
        BlendSchedule, Blended, Cfg, Denoiser, MasaCtrl, PlugAndPlay, PromptToPrompt,
        edit::{
            PnpSites, Sites, SourceBranch, alignment, masactrl_sites,
            pnp::{ATTENTIONS, FEATURES},
        },
    },
    models::{Unet, unet::NoTap},
    tensor::{DType, Device, Tensor},
};

use super::{devices, fixture::Fixture, unet};

/// Greatest error of one stage in f32.
const STAGE_LIMIT: f64 = 1e-7;
/// Greatest error of a whole walk in f32.
const WALK_LIMIT: f64 = 1e-5;

type Walk = Vec<(Level, Level)>;

/// The steps of plug-and-play on diffusers.
fn diffusers(steps: usize) -> Walk {
    let schedule = Schedule::new(&ScheduleConfig::default(), Evaluation::Single);
    let grid = schedule.grid(steps, Spacing::Leading).expect("they fit");
    schedule.steps(&grid, Following::Grid)
}

/// The steps of the original repository.
fn ldm(steps: usize) -> Walk {
    let schedule = Schedule::new(&ScheduleConfig::default(), Evaluation::Double);
    let grid = schedule.grid(steps, Spacing::PnpLdm).expect("they fit");
    schedule.steps(&grid, Following::Grid)
}

/// Devices that store numbers in f32: no limit is set for what many rounded steps add up to.
fn exact_devices() -> impl Iterator<Item = Device> {
    let all = devices().into_iter();
    all.filter(|device| device.dtype() == DType::F32)
}

fn read(tensor: &Tensor) -> Vec<f32> {
    pollster::block_on(tensor.read()).expect("the device computes")
}

/// Everything at once, as a fixture has it.
fn joined(steps: &[Tensor]) -> Tensor {
    Tensor::concat(&steps.iter().collect::<Vec<_>>(), 0)
}

/// The latents after each step.
fn walked(denoiser: &mut dyn Denoiser, mut x: Tensor, walk: &Walk) -> Vec<Tensor> {
    let mut sampler = Ddim::deterministic();
    let mut walked = Vec::new();
    for &(from, to) in walk {
        let prediction = denoiser
            .predict(&x, from, &mut NoTap)
            .expect("nothing is read");
        x = sampler.step(&x, &prediction.eps, from, to);
        x.device().eval(&[&x]).expect("the device computes");
        walked.push(x.clone());
    }
    walked
}

/// A row of the fixture's contexts.
fn row(contexts: &Tensor, row: usize) -> Tensor {
    contexts.rows(row..row + 1)
}

fn plain(model: &Rc<Unet>, context: &Tensor) -> Cfg {
    let kind = PredictionType::Epsilon;
    Cfg::new(model.clone(), kind, context.clone(), context.clone(), 1.0)
}

fn guided(model: &Rc<Unet>, uncond: &Tensor, cond: &Tensor, scale: f64) -> Cfg {
    let kind = PredictionType::Epsilon;
    Cfg::new(model.clone(), kind, cond.clone(), uncond.clone(), scale)
}

/// Latents at the levels of a walk, clean end first.
fn trajectory(start: (Level, &Tensor), levels: &[Level], latents: &[Tensor]) -> Trajectory {
    let [_, h, w, _] = start.1.dims();
    let mut trajectory = Trajectory::new([h, w], start.0, read(start.1));
    for (level, latents) in levels.iter().zip(latents) {
        trajectory.push(*level, read(latents));
    }
    trajectory
}

/// Inverts latents, and stores what is met on the way.
fn inverted(
    denoiser: &mut dyn Denoiser,
    x: &Tensor,
    walk: &Walk,
    inversion: Inversion,
) -> (Vec<Tensor>, Trajectory) {
    let up = inversion.steps(walk);
    let latents = walked(denoiser, x.clone(), &up);
    let levels: Vec<Level> = up.iter().map(|(_, to)| *to).collect();
    let stored = trajectory((up[0].0, x), &levels, &latents);
    (latents, stored)
}

fn start(trajectory: &Trajectory, at: Level, device: &Device) -> Tensor {
    let [h, w] = trajectory.size();
    device.tensor([1, h, w, 4], trajectory.at(at).into_owned())
}

/// The self-attention of this place in the list.
fn attention(place: usize) -> guidestar::models::unet::Site {
    ATTENTIONS[place]
}

#[test]
fn plug_and_play_is_that_of_pnp_diffusers() {
    let fixture = Fixture::read("pnp_diffusers");
    let walk = diffusers(10);
    for device in exact_devices() {
        let model = Rc::new(unet(&device));
        let x = fixture.tensor("x", &device);
        let contexts = fixture.tensor("contexts", &device);
        let [source, negative, prompt] = [0, 1, 2].map(|at| row(&contexts, at));
        let mut denoiser = plain(&model, &source);
        let (latents, stored) = inverted(&mut denoiser, &x, &walk, Inversion::TargetT);
        fixture.check("inverted", &joined(&latents), STAGE_LIMIT);

        let branch = SourceBranch::new(model.clone(), Rc::new(stored.clone()), source, None);
        let all = Sites {
            hidden: vec![FEATURES],
            qkv: ATTENTIONS.to_vec(),
            ..Sites::default()
        };
        let features = branch.features(walk[0].0, &all).expect("nothing is kept");
        fixture.check("hidden", &features.hidden[&FEATURES], STAGE_LIMIT);
        for (place, what) in [(0, "q"), (0, "k"), (7, "q")] {
            let qkv = &features.qkv[&attention(place)];
            let found = if what == "q" { &qkv.q } else { &qkv.k };
            let path = attention(place).to_string();
            let path = path.trim_end_matches(".transformer_blocks.0.attn1");
            fixture.check(&format!("{path}.{what}"), found, STAGE_LIMIT);
        }

        let levels = [0.8, 0.5].map(|share| Window::leading(share).levels(&walk));
        let cfg = guided(&model, &negative, &prompt, 7.5);
        let mut pnp = PlugAndPlay::new(cfg, branch, PnpSites::default(), levels, true);
        let x = start(&stored, walk[0].0, &device);
        fixture.check("edited", &joined(&walked(&mut pnp, x, &walk)), WALK_LIMIT);
    }
}

#[test]
fn plug_and_play_on_a_picture_is_that_of_the_original() {
    let fixture = Fixture::read("pnp_ldm_real");
    let (up, walk) = (ldm(12), ldm(6));
    for device in exact_devices() {
        let model = Rc::new(unet(&device));
        let x = fixture.tensor("x", &device);
        let contexts = fixture.tensor("contexts", &device);
        let [empty, negative] = [0, 1].map(|at| row(&contexts, at));
        let mut denoiser = plain(&model, &empty);
        let (latents, stored) = inverted(&mut denoiser, &x, &up, Inversion::SourceT);
        fixture.check("inverted", &joined(&latents), STAGE_LIMIT);

        // The features are those of a source that is sampled down again.
        let noisiest = start(&stored, up[0].0, &device);
        let down = walked(&mut denoiser, noisiest.clone(), &up);
        fixture.check("reconstruction", &down[11], STAGE_LIMIT);
        let resampled: Vec<_> = [&[noisiest.clone()][..], &down[..11]].concat();
        fixture.check("resampled", &joined(&resampled), STAGE_LIMIT);
        let levels: Vec<Level> = up.iter().rev().map(|(from, _)| *from).collect();
        let climbing: Vec<_> = resampled.iter().rev().cloned().collect();
        let source = trajectory((up[11].1, &down[11]), &levels, &climbing);

        // Two prompts at once.
        let prompts = contexts.rows(2..4);
        let branch = SourceBranch::new(model.clone(), Rc::new(source), empty.clone(), None);
        let windows = [4, 2].map(|last| Window::Steps { first: 0, last }.levels(&walk));
        let blended = Blended::new(
            guided(&model, &empty, &prompts, 10.0),
            guided(&model, &negative, &prompts, 10.0),
            &walk,
            (0.9, BlendSchedule::Linear),
            10.0,
        );
        let mut pnp = PlugAndPlay::new(blended, branch, PnpSites::default(), windows, true);
        // Begins with the noisiest latents, although its first step is at a lower level.
        let x = Tensor::concat(&[&noisiest, &noisiest], 0);
        let edited = walked(&mut pnp, x, &walk);
        let [_, h, w, channels] = noisiest.dims();
        let edited = joined(&edited).reshape([6, 2, h, w, channels]);
        fixture.check("edited", &edited, WALK_LIMIT);
    }
}

#[test]
fn plug_and_play_on_a_generated_picture_is_that_of_the_original() {
    let fixture = Fixture::read("pnp_ldm_generated");
    let walk = ldm(6);
    for device in exact_devices() {
        let model = Rc::new(unet(&device));
        let noise = fixture.tensor("x", &device);
        let contexts = fixture.tensor("contexts", &device);
        let [empty, source, negative, prompt] = [0, 1, 2, 3].map(|at| row(&contexts, at));
        let down = walked(
            &mut guided(&model, &empty, &source, 5.0),
            noise.clone(),
            &walk,
        );
        fixture.check("generated", &down[5], STAGE_LIMIT);
        let met: Vec<_> = [&[noise.clone()][..], &down[..5]].concat();
        fixture.check("walked", &joined(&met), STAGE_LIMIT);
        let levels: Vec<Level> = walk.iter().rev().map(|(from, _)| *from).collect();
        let climbing: Vec<_> = met.iter().rev().cloned().collect();
        let trajectory = trajectory((walk[5].1, &down[5]), &levels, &climbing);

        // The row for the empty prompt lends to the empty and negative ones, the prompt's to the prompt's.
        let both = contexts.rows(0..2);
        let branch = SourceBranch::new(model.clone(), Rc::new(trajectory), both, None);
        let windows = [4, 3].map(|last| Window::Steps { first: 0, last }.levels(&walk));
        let blended = Blended::new(
            guided(&model, &empty, &prompt, 7.5),
            guided(&model, &negative, &prompt, 7.5),
            &walk,
            (0.75, BlendSchedule::Exp),
            7.5,
        );
        let mut pnp = PlugAndPlay::new(blended, branch, PnpSites::default(), windows, true);
        let edited = joined(&walked(&mut pnp, noise, &walk));
        let (shape, _) = fixture.floats("edited");
        fixture.check("edited", &edited.reshape(shape), WALK_LIMIT);
    }
}

#[test]
fn masactrl_and_prompt_to_prompt_are_those_of_their_repositories() {
    let fixture = Fixture::read("edits");
    let walk = diffusers(10);
    let ids = |key: &str| fixture.rows(key).concat();
    let aligned = alignment(&ids("source_ids"), &ids("target_ids"));
    for device in exact_devices() {
        let model = Rc::new(unet(&device));
        let contexts = fixture.tensor("contexts", &device);
        let [empty, source, prompt] = [0, 1, 2].map(|at| row(&contexts, at));
        let stored = fixture.tensor("stored", &device);
        let levels: Vec<Level> = walk.iter().rev().map(|(from, _)| *from).collect();
        let latents: Vec<_> = (0..10).rev().map(|step| row(&stored, step)).collect();
        let trajectory = trajectory((levels[0], &latents[0]), &levels[1..], &latents[1..]);
        let branch = |contexts: Tensor| {
            SourceBranch::new(model.clone(), Rc::new(trajectory.clone()), contexts, None)
        };
        let x = row(&stored, 0);

        let from_third = Window::Steps { first: 2, last: 99 }.levels(&walk);
        let sites = masactrl_sites(model.config());
        let cfg = guided(&model, &empty, &prompt, 7.5);
        let mut masactrl = MasaCtrl::new(cfg, branch(contexts.rows(0..2)), sites, from_third, true);
        let edited = joined(&walked(&mut masactrl, x.clone(), &walk));
        fixture.check("masactrl", &edited, WALK_LIMIT);

        let levels = [0.8, 0.4].map(|share| Window::leading(share).levels(&walk));
        let cfg = guided(&model, &empty, &prompt, 7.5);
        let mut edit = PromptToPrompt::new(
            cfg,
            branch(source),
            model.config(),
            levels,
            aligned.clone(),
            true,
        );
        let edited = joined(&walked(&mut edit, x, &walk));
        fixture.check("prompt_to_prompt", &edited, WALK_LIMIT);
    }
}
