//! Noise levels, timestep grids and PyTorch's noise are those of diffusers and PyTorch.

use guidestar::diffusion::{
    Noise, NoiseSource, Pndm, Schedule,
    schedule::{Evaluation, Following, ScheduleConfig, Spacing},
};

use super::fixture::Fixture;

fn schedule() -> Schedule {
    Schedule::new(&ScheduleConfig::default(), Evaluation::Single)
}

#[test]
fn every_noise_level_is_that_of_diffusers() {
    let (_, expected) = Fixture::read("schedules").floats("alphas_cumprod");
    let schedule = schedule();
    assert_eq!(schedule.timesteps(), expected.len());
    for (t, &expected) in expected.iter().enumerate() {
        let found = schedule.level(t).alphas_cumprod;
        let error = (found - f64::from(expected)).abs();
        // A unit in the last place of f32 near 1.
        assert!(error < 6e-8, "t {t}: {found} instead of {expected}");
    }
}

#[test]
fn every_grid_is_that_of_diffusers() {
    let fixture = Fixture::read("schedules");
    let schedule = schedule();
    let mut grids = 0;
    for name in fixture.names() {
        let [sampler, spacing, steps] = name.split('.').collect::<Vec<_>>()[..] else {
            continue;
        };
        grids += 1;
        let spacing = match spacing {
            "leading" => Spacing::Leading,
            "trailing" => Spacing::Trailing,
            _ => Spacing::Linspace,
        };
        let grid = schedule.grid(steps.parse().unwrap(), spacing).unwrap();
        let steps = schedule.steps(&grid, Following::Ratio);
        let steps = if sampler == "pndm" {
            Pndm::steps(&steps)
        } else {
            steps
        };
        let found: Vec<_> = steps.iter().map(|(from, _)| from.t as u32).collect();
        assert_eq!(found, fixture.rows(&name)[0], "{name}");
    }
    assert_eq!(grids, 43);
}

#[test]
fn torch_noise_is_that_of_pytorch() {
    let fixture = Fixture::read("torch_noise");
    for name in fixture.names() {
        let (seed, counts) = name.split_once('.').unwrap();
        let mut noise = Noise::new(NoiseSource::Torch, seed.parse().unwrap());
        let found: Vec<f32> = counts
            .split('+')
            .flat_map(|count| noise.draw(count.parse().unwrap()))
            .collect();
        let (_, expected) = fixture.floats(&name);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
            // PyTorch's vectorised logarithm and cosine are good to a few units in the last place.
            let error = (found - expected).abs();
            assert!(
                error < 2e-6,
                "{name} at {place}: {found} instead of {expected}"
            );
        }
    }
}
