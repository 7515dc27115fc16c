//! What universal guidance is when there is nothing to it, and what it does when there is.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{cell::Cell, rc::Rc};

use guidestar::{
    Result,
    diffusion::{Ddim, Level, Sampler, schedule::PredictionType},
    guidance::{
        Cfg, Denoiser,
        universal::{
            Aim, Along, Backward, Descent, Effect, Forward, Guide, Kind, Place, Preset, Settings,
            Space, Stepped, Universal, Window,
            guides::{Observation, Operator},
        },
    },
    models::{
        Autoencoder, Random, Unet,
        config::{AutoencoderConfig, TaesdConfig, UnetConfig},
        unet::NoTap,
    },
    tensor::{Device, Tensor},
};

const FROM: Level = Level {
    alphas_cumprod: 0.3,
    t: 601,
};
const TO: Level = Level {
    alphas_cumprod: 0.4,
    t: 501,
};

fn waves(device: &Device, shape: [usize; 4], speed: f32) -> Tensor {
    let count = shape.iter().product();
    let numbers = (0..count).map(|at: usize| (at as f32 * speed).sin());
    device.tensor(shape, numbers.collect())
}

fn denoiser(device: &Device) -> Cfg {
    let unet = Unet::new(&UnetConfig::tiny(), &mut Random::new(device)).unwrap();
    let context = |speed| waves(device, [1, 1, 77, 32], speed).reshape([1, 77, 32]);
    let prediction = PredictionType::Epsilon;
    Cfg::new(Rc::new(unet), prediction, context(0.3), context(0.7), 3.0)
}

fn red(device: &Device) -> Rc<dyn Guide> {
    let mask = device.tensor([1, 64, 64, 1], vec![1.0; 64 * 64]);
    Rc::new(Observation::colour([1.0, 0.0, 0.0], &mask).unwrap())
}

/// A guide whose loss is no number.
struct Broken;

impl Guide for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let sum = image.mean(&[1, 2, 3]).reshape([1]);
        Ok(sum.mul(&image.device().tensor([1], vec![f32::NAN])))
    }
}

fn step(settings: Settings, aims: Vec<Aim>, device: &Device, step: usize) -> Result<Stepped> {
    let config = AutoencoderConfig::Tiny(TaesdConfig::tiny());
    let autoencoder = Autoencoder::new(&config, &mut Random::new(device))?;
    let mut universal = Universal {
        settings,
        aims,
        autoencoder: Rc::new(autoencoder),
        noise: Box::new(|device, shape| waves(device, [1, shape[1], shape[2], 4], 0.9)),
    };
    let mut place = Place::all(&[(FROM, TO); 4], 1000)[step];
    place.step = step;
    let x = waves(device, [1, 8, 8, 4], 1.3);
    let mut sampler = Ddim::deterministic();
    let mut inner = denoiser(device);
    let mut tap = NoTap;
    let stepped = universal.step(&mut inner, &mut sampler, &x, &place, &mut tap);
    pollster::block_on(stepped)
}

fn read(tensor: &Tensor) -> Vec<f32> {
    pollster::block_on(tensor.read()).unwrap()
}

fn plain(device: &Device) -> Vec<f32> {
    let x = waves(device, [1, 8, 8, 4], 1.3);
    let predicted = denoiser(device).predict(&x, FROM, &mut NoTap).unwrap();
    read(&Ddim::deterministic().step(&x, &predicted.eps, FROM, TO))
}

fn forward(strength: f64) -> Settings {
    Settings {
        forward: Some(Forward {
            strength,
            ..Forward::default()
        }),
        ..Settings::default()
    }
}

#[test]
fn guidance_of_no_strength_is_ddim() {
    let device = Device::cpu().unwrap();
    let aims = || vec![Aim::new(red(&device))];
    let stepped = step(forward(0.0), aims(), &device, 0).unwrap();
    assert_eq!(read(&stepped.x), plain(&device));
    let outside = Settings {
        window: Window { from: 0.5, to: 1.0 },
        ..forward(100.0)
    };
    let stepped = step(outside, aims(), &device, 0).unwrap();
    assert_eq!(read(&stepped.x), plain(&device));
    assert!(stepped.iterations.is_empty());
}

#[test]
fn a_loss_that_is_no_number_guides_nothing_and_is_told() {
    let device = Device::cpu().unwrap();
    let broken = || vec![Aim::new(Rc::new(Broken))];
    let later = step(forward(10.0), broken(), &device, 1).unwrap();
    assert_eq!(later.iterations[0].lost, 1);
    assert_eq!(read(&later.x), plain(&device));
    let first = step(forward(10.0), broken(), &device, 0);
    let error = first.err().expect("nothing is guided").to_string();
    assert!(error.contains("no numbers from the first step"), "{error}");
}

#[test]
fn two_guides_of_half_the_weight_are_one() {
    let device = Device::cpu().unwrap();
    let half = || Aim {
        name: "half".to_owned(),
        weight: 0.5,
        ..Aim::new(red(&device))
    };
    let one = step(forward(5.0), vec![Aim::new(red(&device))], &device, 0).unwrap();
    let two = step(forward(5.0), vec![half(), half()], &device, 0).unwrap();
    for (a, b) in read(&one.x).into_iter().zip(read(&two.x)) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn improving_the_clean_estimate_lowers_its_loss() {
    let device = Device::cpu().unwrap();
    let inner = |descent, effect| Settings {
        backward: Some(Backward {
            descent,
            iterations: 4,
            space: Space::Latents,
        }),
        effect,
        ..Settings::default()
    };
    let adam = Descent::Adam {
        rate: 0.05,
        cutoff: 0.0,
        cosine: true,
    };
    let ways = [
        inner(adam, Effect::Noise),
        Preset::Fast.recipe(Kind::Pixels).settings,
    ];
    for way in ways {
        let twice = Settings {
            recurrences: vec![3],
            recurrence_window: Window::ALL,
            window: Window::ALL,
            ..way
        };
        let stepped = step(twice.clone(), vec![Aim::new(red(&device))], &device, 0).unwrap();
        assert_eq!(stepped.iterations.len(), 3);
        for turn in &stepped.iterations {
            let losses: Vec<f32> = turn.improved.iter().map(|loss| loss[0]).collect();
            assert!(losses.last() < losses.first(), "{losses:?} with {twice:?}");
        }
    }
}

#[test]
fn every_preset_can_be_run() {
    for preset in Preset::ALL {
        assert_eq!(preset.name().parse(), Ok(preset));
        for kind in [Kind::Pixels, Kind::Shape, Kind::Name, Kind::Style] {
            let settings = preset.recipe(kind).settings;
            assert_eq!(settings.check(), Ok(()), "{preset:?} {kind:?}");
        }
    }
}

#[test]
fn a_mask_of_another_size_is_refused_in_words() {
    let device = Device::cpu().unwrap();
    let mask = device.tensor([1, 8, 8, 1], vec![1.0; 64]);
    let target = device.tensor([1, 16, 16, 3], vec![0.5; 768]);
    let error = Observation::new(Operator::Known(mask), &target).err();
    let text = error.expect("the sizes differ").to_string();
    assert!(
        text.contains("the mask is 8x8 and the picture 16x16"),
        "{text}"
    );
}

/// A guide that remembers how many pictures it was shown together.
struct Counting {
    sway: f32,
    shown: Cell<usize>,
}

impl Guide for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn sway(&self) -> f32 {
        self.sway
    }

    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let batch = image.shape()[0];
        self.shown.set(batch);
        Ok(image.mul(image).mean(&[1, 2, 3]).reshape([batch]))
    }
}

#[test]
fn only_guides_that_do_not_mind_look_more_than_once() {
    let device = Device::cpu().unwrap();
    let looking = |sway: f32| {
        let guide = Rc::new(Counting {
            sway,
            shown: Cell::new(0),
        });
        let settings = Settings {
            looks: 3,
            ..forward(1.0)
        };
        let stepped = step(settings, vec![Aim::new(guide.clone())], &device, 1).unwrap();
        (guide.shown.get(), stepped.iterations[0].loss[0])
    };
    let [(once, exact), (thrice, near)] = [0.0, 0.05].map(looking);
    assert_eq!([once, thrice], [1, 3]);
    let off = (exact - near).abs();
    assert!(off > 1e-6 && off < 0.1 * exact, "{exact} {near}");
}

#[test]
fn a_strength_along_the_noise_moves_the_estimate_as_the_prompt_does() {
    let place = Place::all(&[(FROM, TO)], 1000)[0];
    let moved = Along::Noise.factor(&place);
    // eps + 1 in x0 = (x - sqrt(1 - a) eps) / sqrt(a)
    assert!((moved - (0.7_f64 / 0.3).sqrt()).abs() < 1e-12, "{moved}");
}
