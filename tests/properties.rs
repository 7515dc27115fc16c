//! Laws of the samplers and of noise.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use guidestar::{
    diffusion::{
        Ddim, Level, Noise, NoiseSource, Pndm, Sampler, noise,
        schedule::{Evaluation, Following, Schedule, ScheduleConfig, Spacing},
        x0_from_eps,
    },
    tensor::{Device, Shape, Tensor},
};
use proptest::{prelude::*, test_runner::TestCaseResult};

const SHAPE: [usize; 4] = [2, 3, 5, 4];

fn device() -> Device {
    Device::cpu().unwrap()
}

fn drawn(device: &Device, seed: u64) -> Tensor {
    let mut noise = [seed, seed + 1].map(|seed| Noise::new(NoiseSource::Guidestar, seed));
    noise::latents(&mut noise, device, &Shape::from(SHAPE))
}

fn read(tensor: &Tensor) -> Vec<f32> {
    pollster::block_on(tensor.read()).unwrap()
}

fn schedule() -> Schedule {
    Schedule::new(&ScheduleConfig::default(), Evaluation::Single)
}

/// The walk of so many steps down to the end.
fn walk(steps: usize) -> Vec<(Level, Level)> {
    let schedule = schedule();
    let grid = schedule.grid(steps, Spacing::Leading).unwrap();
    schedule.steps(&grid, Following::Grid)
}

/// The same numbers but for rounding. `scale` is the largest number on the way there.
fn assert_near(found: &Tensor, expected: &Tensor, scale: f32) -> TestCaseResult {
    for (at, (found, expected)) in read(found).iter().zip(read(expected)).enumerate() {
        let apart = (found - expected).abs();
        prop_assert!(
            apart <= 3e-6 * scale,
            "element {at}: {found} for {expected}"
        );
    }
    Ok(())
}

/// Dividing by the signal left at a level magnifies rounding by as much.
fn magnified(at: Level) -> f32 {
    10.0 / at.alphas_cumprod.sqrt() as f32
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_step_leaves_the_clean_latents_where_they_were(t in 1..1000usize, to in 0..1000usize, seed: u32) {
        let device = device();
        let (from, to) = (schedule().level(t), schedule().level(to));
        let [x, eps] = [0, 2].map(|i| drawn(&device, u64::from(seed) + i));
        let next = Ddim::deterministic().step(&x, &eps, from, to);
        let scale = magnified(from).max(magnified(to));
        assert_near(&x0_from_eps(&next, &eps, to), &x0_from_eps(&x, &eps, from), scale)?;
    }

    #[test]
    fn two_steps_along_one_direction_are_one(
        (a, b, c) in (2..1000usize).prop_flat_map(|a| (Just(a), 1..a)).prop_flat_map(|(a, b)| (Just(a), Just(b), 0..b)),
        seed: u32,
    ) {
        let device = device();
        let [a, b, c] = [a, b, c].map(|t| schedule().level(t));
        let [x, eps] = [0, 2].map(|i| drawn(&device, u64::from(seed) + i));
        let mut ddim = Ddim::deterministic();
        let between = ddim.step(&x, &eps, a, b);
        let twice = ddim.step(&between, &eps, b, c);
        assert_near(&twice, &ddim.step(&x, &eps, a, c), magnified(a))?;
    }

    #[test]
    fn where_the_direction_is_constant_pndm_is_ddim(steps in 2..60usize, seed: u32) {
        let device = device();
        let [start, eps] = [0, 2].map(|i| drawn(&device, u64::from(seed) + i));
        let walk = walk(steps);
        let mut ddim = Ddim::deterministic();
        let straight = walk.iter().fold(start.clone(), |x, &(from, to)| ddim.step(&x, &eps, from, to));
        let mut pndm = Pndm::new();
        let curved = Pndm::steps(&walk)
            .iter()
            .fold(start, |x, &(from, to)| pndm.step(&x, &eps, from, to));
        assert_near(&curved, &straight, magnified(walk[0].0))?;
    }

    #[test]
    fn rows_of_a_batch_do_not_mix(seed: u32, eta in 0.0..=1.0f64) {
        let device = device();
        let (from, to) = walk(10)[3];
        let seeds = [u64::from(seed), u64::from(seed) + 7];
        let row = |seed| {
            let mut noise = vec![Noise::new(NoiseSource::Guidestar, seed)];
            let [_, h, w, channels] = SHAPE;
            let shape = Shape::from([1, h, w, channels]);
            let x = noise::latents(&mut noise, &device, &shape);
            let eps = x.affine(0.5, 0.1);
            Ddim::new(eta, noise).step(&x, &eps, from, to)
        };
        let mut noise = seeds.map(|seed| Noise::new(NoiseSource::Guidestar, seed)).to_vec();
        let x = noise::latents(&mut noise, &device, &Shape::from(SHAPE));
        let eps = x.affine(0.5, 0.1);
        let together = Ddim::new(eta, noise).step(&x, &eps, from, to);
        for (at, &seed) in seeds.iter().enumerate() {
            prop_assert_eq!(read(&together.rows(at..at + 1)), read(&row(seed)));
        }
    }
}

#[test]
fn without_eta_nothing_is_drawn() {
    let device = device();
    let (from, to) = walk(10)[0];
    let [x, eps] = [0, 2].map(|seed| drawn(&device, seed));
    // No generators: a draw would panic.
    let once = Ddim::new(0.0, Vec::new()).step(&x, &eps, from, to);
    let again = Ddim::deterministic().step(&x, &eps, from, to);
    assert_eq!(read(&once), read(&again));
}

#[test]
fn fresh_noise_has_the_variance_the_step_took_out() {
    let device = device();
    let (from, to) = walk(10)[4];
    let shape = Shape::from([1, 64, 64, 4]);
    let zeros = device.tensor(shape.clone(), vec![0.0; shape.elements()]);
    let noise = vec![Noise::new(NoiseSource::Guidestar, 3)];
    let fresh = read(&Ddim::new(1.0, noise).step(&zeros, &zeros, from, to));
    let (a, next) = (from.alphas_cumprod, to.alphas_cumprod);
    let expected = (1.0 - next) / (1.0 - a) * (1.0 - a / next);
    let variance = fresh.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / fresh.len() as f64;
    // Five standard errors of a variance of 16,384 numbers.
    assert!(
        (variance / expected - 1.0).abs() < 0.055,
        "{variance} for {expected}"
    );
}
