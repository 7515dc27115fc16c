//! DDIM run backwards: from a picture's latents to the noise that would have led to them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Level;

/// Which timestep the network is told while latents move from a cleaner level to a noisier one.
///
/// The step is [`super::Ddim`]'s with its two levels exchanged; that alone would be exact if the noise predicted at both ends
/// were the same. The published inversions differ in whose timestep they pass on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inversion {
    /// That of the latents as they are: the original plug-and-play repository.
    SourceT,
    /// That of the level they go to: plug-and-play on diffusers, null-text inversion, diffusers' `DDIMInverseScheduler`.
    #[default]
    TargetT,
}

impl Inversion {
    /// The steps up a walk, cleanest first.
    ///
    /// The first of each pair is what the denoiser is told: the level that the latents are at, with the timestep that the
    /// network hears. The inversion begins where the walk ends, which need not be at a clean level.
    pub fn steps(self, walk: &[(Level, Level)]) -> Vec<(Level, Level)> {
        let up = walk.iter().rev().map(|&(noisy, clean)| {
            let t = match self {
                Self::SourceT => clean.t,
                Self::TargetT => noisy.t,
            };
            (Level { t, ..clean }, noisy)
        });
        up.collect()
    }
}

/// The latents of one picture at every noise level of a walk.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    size: [usize; 2],
    levels: Vec<Level>,
    /// `[h, w, C]` at each level.
    latents: Vec<Vec<f32>>,
}

impl Trajectory {
    /// A trajectory that begins with these latents, at the cleanest level.
    ///
    /// # Shapes
    /// - `size`: height and width of the latents
    /// - `latents`: `[h, w, C]`
    pub fn new(size: [usize; 2], level: Level, latents: Vec<f32>) -> Self {
        Self {
            size,
            levels: vec![level],
            latents: vec![latents],
        }
    }

    /// Adds the latents at a noisier level.
    ///
    /// # Panics
    /// When the level is not noisier, or the latents are not as many.
    pub fn push(&mut self, level: Level, latents: Vec<f32>) {
        let last = self.levels[self.levels.len() - 1];
        assert!(
            level.alphas_cumprod < last.alphas_cumprod && latents.len() == self.latents[0].len(),
            "a trajectory from {last:?} to {level:?}"
        );
        self.levels.push(level);
        self.latents.push(latents);
    }

    /// Height and width of the latents.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The levels, cleanest first.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// `[h, w, C]` at each level.
    pub fn latents(&self) -> &[Vec<f32>] {
        &self.latents
    }

    /// The cleanest latents, `[h, w, C]`.
    pub fn clean(&self) -> &[f32] {
        &self.latents[0]
    }

    /// The noisiest latents, `[h, w, C]`.
    pub fn noisiest(&self) -> &[f32] {
        &self.latents[self.latents.len() - 1]
    }

    /// Whether a level lies beyond the noisiest one, where there is nothing but a guess.
    pub fn ends_before(&self, level: Level) -> bool {
        level.alphas_cumprod < self.levels[self.levels.len() - 1].alphas_cumprod
    }

    /// The latents at any level, `[h, w, C]`, so that other steps can be taken than it was made with.
    ///
    /// At a level of its own these are the ones that were stored. Between two they are where a DDIM step from one to the
    /// other passes: it is a straight line in `x / sqrt(a)` over `sqrt((1 - a) / a)`
    /// (Song et al. 2020, equation 13, <https://arxiv.org/abs/2010.02502>), and beyond either end that line goes on.
    pub fn at(&self, level: Level) -> Cow<'_, [f32]> {
        let stored = self
            .levels
            .iter()
            .position(|own| own.alphas_cumprod.to_bits() == level.alphas_cumprod.to_bits());
        if let Some(stored) = stored {
            return Cow::Borrowed(&self.latents[stored]);
        }
        if self.levels.len() == 1 {
            return Cow::Borrowed(&self.latents[0]);
        }
        let noisier = self
            .levels
            .iter()
            .position(|own| own.alphas_cumprod < level.alphas_cumprod);
        let above = noisier.unwrap_or(self.levels.len() - 1).max(1);
        let [low, high] = [above - 1, above].map(|index| self.levels[index].alphas_cumprod);
        let a = level.alphas_cumprod;
        let along = (noise_ratio(a) - noise_ratio(low)) / (noise_ratio(high) - noise_ratio(low));
        let [from_low, from_high] = [(1.0 - along) * (a / low).sqrt(), along * (a / high).sqrt()];
        let pairs = self.latents[above - 1].iter().zip(&self.latents[above]);
        pairs
            .map(|(&x, &y)| (from_low * f64::from(x) + from_high * f64::from(y)) as f32)
            .collect()
    }
}

/// The noise's deviation where the signal's scale is 1.
fn noise_ratio(alphas_cumprod: f64) -> f64 {
    ((1.0 - alphas_cumprod) / alphas_cumprod).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::schedule::{Evaluation, Following, Schedule, ScheduleConfig, Spacing};

    fn walk(steps: usize) -> Vec<(Level, Level)> {
        let schedule = Schedule::new(&ScheduleConfig::default(), Evaluation::Single);
        let grid = schedule.grid(steps, Spacing::Leading).unwrap();
        schedule.steps(&grid, Following::Grid)
    }

    #[test]
    fn both_variants_climb_from_the_final_level_to_the_noisiest() {
        let walk = walk(999);
        for (inversion, told) in [
            (Inversion::SourceT, [0, 998]),
            (Inversion::TargetT, [1, 999]),
        ] {
            let steps = inversion.steps(&walk);
            assert_eq!(steps.len(), 999);
            // The level below the first timestep is the schedule's final one: that of timestep 0.
            let [first, end] = [steps[0].0, walk[998].1].map(|level| level.alphas_cumprod);
            assert_eq!(first.to_bits(), end.to_bits());
            assert_eq!([steps[0].0.t, steps[998].0.t], told);
            assert_eq!((steps[0].1.t, steps[998].1.t), (1, 999));
        }
    }

    /// Latents whose noise is the same everywhere, so that every DDIM step is exact.
    fn straight(levels: &[Level]) -> Trajectory {
        let (x0, eps) = (0.7, -0.4);
        let x = |level: &Level| {
            let a = level.alphas_cumprod;
            vec![(a.sqrt() * x0 + (1.0 - a).sqrt() * eps) as f32; 4]
        };
        let mut trajectory = Trajectory::new([1, 1], levels[0], x(&levels[0]));
        for level in &levels[1..] {
            trajectory.push(*level, x(level));
        }
        trajectory
    }

    #[test]
    fn levels_between_and_beyond_lie_on_the_straight_line() {
        let levels: Vec<Level> = walk(10).iter().rev().map(|&(noisy, _)| noisy).collect();
        let every: Vec<Level> = walk(100).iter().rev().map(|&(noisy, _)| noisy).collect();
        let (coarse, fine) = (straight(&levels), straight(&every));
        for (level, expected) in every.iter().zip(fine.latents()) {
            let found = coarse.at(*level);
            let error = f64::from(found[0] - expected[0]).abs();
            assert!(error < 1e-5, "{level:?}: {found:?} for {expected:?}");
        }
        assert!(coarse.ends_before(every[99]));
        assert!(!coarse.ends_before(levels[9]));
    }

    #[test]
    fn stored_levels_are_given_back_to_the_bit() {
        let levels: Vec<Level> = walk(7).iter().rev().map(|&(noisy, _)| noisy).collect();
        let trajectory = straight(&levels);
        for (level, latents) in levels.iter().zip(trajectory.latents()) {
            assert_eq!(trajectory.at(*level)[..], latents[..]);
        }
    }
}
