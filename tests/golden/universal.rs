//! Steps of universal guidance; `tests/fixtures/make_universal.py` has the other side.

use std::rc::Rc;

use guidestar::{
    diffusion::{Ddim, Level, schedule::PredictionType},
    guidance::{
        Cfg,
        universal::{
            Aim, Backward, Descent, Draw, Forward, Place, Settings, Space, Stepped, Through,
            Universal,
            guides::{Observation, Operator},
        },
    },
    models::{
        Autoencoder, Random,
        config::{AutoencoderConfig, VaeConfig},
        unet::NoTap,
    },
    tensor::{DType, Device, Interpolation, Tensor},
};

use super::{devices, fixture::Fixture, unet};

/// As in the script.
const CFG: f64 = 3.0;
const SHRINK: usize = 4;
const STRENGTH: f64 = 40.0;
const TIMESTEPS: usize = 1000;
const T: [usize; 2] = [601, 551];

/// The processor, and once the GPU that stores f32: compiling a gradient's kernels takes a software GPU a minute, and
/// gradients in f16 are a matter of pictures, not of digits.
fn exact_devices(gpu: bool) -> impl Iterator<Item = Device> {
    let exact = |device: &Device| device.dtype() == DType::F32;
    let devices = devices().into_iter().filter(exact);
    devices.take(if gpu { 2 } else { 1 })
}

/// One step with these settings; the fixture's noises are drawn one after the other.
fn step(fixture: &Fixture, device: &Device, settings: Settings, noises: &[&str]) -> Stepped {
    let (_, levels) = fixture.floats("levels");
    let level = |at: usize| Level {
        alphas_cumprod: f64::from(levels[at]),
        t: T[at],
    };
    let place = Place::all(&[(level(0), level(1))], TIMESTEPS)[0];
    let target = fixture.tensor("target", device).affine(0.5, 0.5);
    let [_, h, w, _] = target.dims();
    let target = target.resize([SHRINK * h, SHRINK * w], Interpolation::Nearest, false);
    let guide = Observation::new(Operator::Shrunk(SHRINK), &target);
    let guide = guide.expect("the target can be shrunk");
    let contexts = fixture.tensor("contexts", device);
    let mut denoiser = Cfg::new(
        Rc::new(unet(device)),
        PredictionType::Epsilon,
        contexts.rows(1..2),
        contexts.rows(0..1),
        CFG,
    );
    let config = AutoencoderConfig::Kl(VaeConfig::tiny());
    let autoencoder = Autoencoder::new(&config, &mut Random::new(device));
    let autoencoder = autoencoder.expect("a drawn network is complete");
    let noises: Vec<Tensor> = noises
        .iter()
        .map(|key| fixture.tensor(key, device))
        .collect();
    let mut noises = noises.into_iter();
    let noise: Draw = Box::new(move |_, _| noises.next().expect("as many draws as published"));
    let mut universal = Universal {
        settings,
        aims: vec![Aim::new(Rc::new(guide))],
        autoencoder: Rc::new(autoencoder),
        noise,
    };
    let x = fixture.tensor("x", device);
    let mut sampler = Ddim::deterministic();
    let mut tap = NoTap;
    let stepped = universal.step(&mut denoiser, &mut sampler, &x, &place, &mut tap);
    pollster::block_on(stepped).expect("the device computes")
}

/// Cosine of, and relative distance between, what was found and what was expected.
fn compared(found: &[f64], expected: &[f64]) -> (f64, f64) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let difference: Vec<f64> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    let cosine = dot(found, expected) / (dot(found, found) * dot(expected, expected)).sqrt();
    let distance = (dot(&difference, &difference) / dot(expected, expected)).sqrt();
    (cosine, distance)
}

#[test]
fn forward_guidance_and_recurrences_are_the_published_ones() {
    for (name, through) in [
        ("universal_a", Through::Cfg),
        ("universal_b", Through::Uncond),
    ] {
        let fixture = Fixture::read(name);
        let (_, levels) = fixture.floats("levels");
        let (_, eps) = fixture.floats("eps");
        let (_, gradient) = fixture.floats("gradient");
        let gradient: Vec<f64> = gradient.into_iter().map(f64::from).collect();
        let (_, loss) = fixture.floats("loss");
        for device in exact_devices(through == Through::Cfg) {
            let on_gpu = device.info().api != "cpu";
            for sparing in [false, true] {
                if on_gpu && !sparing {
                    continue;
                }
                let settings = |turns: usize| Settings {
                    through,
                    forward: Some(Forward {
                        strength: STRENGTH,
                        ..Forward::default()
                    }),
                    recurrences: vec![turns],
                    spare_draw: true,
                    sparing,
                    ..Settings::default()
                };
                let once = step(&fixture, &device, settings(1), &["noise0"]);
                fixture.check("moved", &once.eps, 1e-7);
                fixture.check("next0", &once.x, 1e-7);
                let found = once.iterations[0].loss[0];
                assert!((found - loss[0]).abs() < 1e-5, "{found} for {loss:?}");

                // The noise was moved by the gradient times this.
                let factor = STRENGTH * (1.0 - f64::from(levels[0])).sqrt();
                let moved = pollster::block_on(once.eps.read()).unwrap();
                let found = moved.iter().zip(&eps);
                let found: Vec<f64> = found
                    .map(|(&moved, &eps)| (f64::from(moved) - f64::from(eps)) / factor)
                    .collect();
                let (cosine, distance) = compared(&found, &gradient);
                let api = device.info().api;
                eprintln!("{name} on {api}: cosine {cosine}, distance {distance:.2e}");
                assert!(cosine > 0.9999 && distance < 1e-3);

                if on_gpu {
                    continue;
                }
                let twice = step(&fixture, &device, settings(2), &["noise0", "noise1"]);
                fixture.check("next1", &twice.x, 1e-7);
                assert_eq!(twice.iterations.len(), 2);
            }
        }
    }
}

#[test]
fn backward_guidance_is_the_published_one() {
    for (name, space) in [
        ("universal_pixels", Space::Pixels),
        ("universal_latents", Space::Latents),
    ] {
        let fixture = Fixture::read(name);
        let (_, cutoff) = fixture.floats("cutoff");
        let losses = fixture.floats("losses").1;
        for device in exact_devices(false) {
            let settings = Settings {
                backward: Some(Backward {
                    descent: Descent::Adam {
                        rate: 0.01,
                        cutoff: f64::from(cutoff[0]),
                        cosine: false,
                    },
                    iterations: 3,
                    space,
                }),
                ..Settings::default()
            };
            let noises: &[&str] = match space {
                Space::Pixels => &["noise"],
                Space::Latents => &[],
            };
            let stepped = step(&fixture, &device, settings, noises);
            fixture.check("after", &stepped.x0, 1e-7);
            fixture.check("moved", &stepped.eps, 1e-7);
            fixture.check("next", &stepped.x, 1e-7);
            let seen = stepped.iterations[0].improved.concat();
            assert_eq!(
                seen.len(),
                losses.len(),
                "{name} stops when the published one does"
            );
            for (seen, loss) in seen.iter().zip(&losses) {
                assert!((seen - loss).abs() < 1e-5, "{seen} for {loss}");
            }
        }
    }
}
