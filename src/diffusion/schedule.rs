//! Noise levels: how much signal is left at each training timestep, and which timesteps are visited.
//!
//! Host arithmetic in f64 only. The published implementations evaluate the same formula in different precision and visit
//! different timesteps; each variant has a name here, and a parity preset chooses among them.

mod config;

pub use config::{
    BetaSchedule, Ending, Evaluation, Following, PredictionType, ScheduleConfig, Spacing,
};

use crate::error::{Error, Result};

/// A noise level: how noisy the latents are, and the training timestep the U-Net is told. A pair, because the
/// inversions in use tell it a `t` that is not the latents' own, and integer timestep grids differ between references.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Share of the signal's variance that is left: the product of `1 - beta` up to the timestep.
    pub alphas_cumprod: f64,
    /// The training index, `0..1000`, that the U-Net is told.
    pub t: usize,
}

/// The noise level of every training timestep.
#[derive(Clone, Debug)]
pub struct Schedule {
    alphas_cumprod: Vec<f64>,
    end: f64,
    offset: usize,
}

impl Schedule {
    /// Evaluates the table of noise levels.
    pub fn new(config: &ScheduleConfig, evaluation: Evaluation) -> Self {
        let alphas_cumprod = match evaluation {
            Evaluation::Single => product(betas_single(config)),
            Evaluation::Double => product(betas_double(config)),
        };
        let end = if config.set_alpha_to_one {
            1.0
        } else {
            alphas_cumprod[0]
        };
        Self {
            alphas_cumprod,
            end,
            offset: config.steps_offset,
        }
    }

    /// The same table with another level at the end of the last step.
    #[must_use]
    pub fn ending(mut self, ending: Ending) -> Self {
        self.end = match ending {
            Ending::FirstTimestep => self.alphas_cumprod[0],
            Ending::Clean => 1.0,
        };
        self
    }

    /// The noise level of a training timestep.
    ///
    /// # Panics
    /// When there is no such timestep.
    pub fn level(&self, t: usize) -> Level {
        Level {
            alphas_cumprod: self.alphas_cumprod[t],
            t,
        }
    }

    /// The level the last step ends at.
    pub fn end(&self) -> Level {
        Level {
            alphas_cumprod: self.end,
            t: 0,
        }
    }

    /// How many training timesteps there are.
    pub fn timesteps(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// The timesteps visited in `steps` steps, noisiest first.
    ///
    /// # Errors
    /// When there are no steps, or so many that the grid leaves the trained timesteps.
    pub fn grid(&self, steps: usize, spacing: Spacing) -> Result<Grid> {
        let trained = self.timesteps();
        if steps == 0 || steps > trained {
            return Err(Error::Request(format!(
                "{steps} steps are impossible: ask for 1 to {}",
                trained - 1
            )));
        }
        let ratio = trained / steps;
        let mut timesteps: Vec<usize> = match spacing {
            Spacing::Leading => (0..steps).map(|step| step * ratio + self.offset).collect(),
            Spacing::Trailing => trailing(trained, steps),
            Spacing::Linspace => linspace(trained, steps),
            Spacing::Ldm => (0..trained).step_by(ratio).map(|t| t + 1).collect(),
            Spacing::PnpLdm => (0..steps).map(|step| step * ratio + 1).collect(),
        };
        timesteps.reverse();
        match timesteps.iter().find(|&&t| t >= trained) {
            Some(t) => Err(Error::Request(format!(
                "{steps} steps with this spacing would visit timestep {t}, and the model knows 0 to {}: ask for fewer",
                trained - 1
            ))),
            None => Ok(Grid { timesteps, ratio }),
        }
    }

    /// The step from each timestep of a grid to the level that follows it, noisiest first.
    pub fn steps(&self, grid: &Grid, following: Following) -> Vec<(Level, Level)> {
        let next = |step: usize| match following {
            Following::Grid => grid.timesteps.get(step + 1).copied(),
            Following::Ratio => grid.timesteps[step].checked_sub(grid.ratio),
        };
        let levels = grid.timesteps.iter().enumerate();
        levels
            .map(|(step, &t)| {
                let to = next(step).map_or_else(|| self.end(), |t| self.level(t));
                (self.level(t), to)
            })
            .collect()
    }
}

/// The training timesteps that a sampler visits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Noisiest first.
    pub timesteps: Vec<usize>,
    /// `floor(T / steps)`
    pub ratio: usize,
}

fn betas_double(config: &ScheduleConfig) -> Vec<f64> {
    let last = (config.num_train_timesteps - 1) as f64;
    let along = |from: f64, to: f64, t: usize| from + t as f64 * (to - from) / last;
    let (start, end) = (config.beta_start, config.beta_end);
    (0..config.num_train_timesteps)
        .map(|t| match config.beta_schedule {
            BetaSchedule::Linear => along(start, end, t),
            BetaSchedule::ScaledLinear => along(start.sqrt(), end.sqrt(), t).powi(2),
        })
        .map(|beta| 1.0 - beta)
        .collect()
}

/// The same in f32. PyTorch's `linspace` counts up from the start in its first half and down from the end in its second.
fn betas_single(config: &ScheduleConfig) -> Vec<f64> {
    let count = config.num_train_timesteps;
    let along = |from: f32, to: f32, t: usize| {
        let step = (to - from) / (count - 1) as f32;
        if t < count / 2 {
            from + step * t as f32
        } else {
            to - step * (count - 1 - t) as f32
        }
    };
    let (start, end) = (config.beta_start, config.beta_end);
    (0..count)
        .map(|t| match config.beta_schedule {
            BetaSchedule::Linear => along(start as f32, end as f32, t),
            BetaSchedule::ScaledLinear => {
                let root = along(start.sqrt() as f32, end.sqrt() as f32, t);
                root * root
            }
        })
        .map(|beta| f64::from(1.0 - beta))
        .collect()
}

/// The running product, accumulated in f64; each entry is rounded to f32, as both references store it.
fn product(alphas: Vec<f64>) -> Vec<f64> {
    alphas
        .into_iter()
        .scan(1.0, |product, alpha| {
            *product *= alpha;
            Some(f64::from(*product as f32))
        })
        .collect()
}

/// `round(arange(T, 0, -T / steps)) - 1`, ascending. NumPy rounds halves to even.
fn trailing(trained: usize, steps: usize) -> Vec<usize> {
    let ratio = trained as f64 / steps as f64;
    let descending = (0..steps).map(|step| trained as f64 - step as f64 * ratio);
    let mut timesteps: Vec<_> = descending
        .map(|t| (t.round_ties_even() as usize).saturating_sub(1))
        .collect();
    timesteps.reverse();
    timesteps
}

/// `round(linspace(0, T - 1, steps))`
fn linspace(trained: usize, steps: usize) -> Vec<usize> {
    let apart = (trained - 1) as f64 / (steps.max(2) - 1) as f64;
    (0..steps)
        .map(|step| (step as f64 * apart).round_ties_even() as usize)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(evaluation: Evaluation) -> Schedule {
        Schedule::new(&ScheduleConfig::default(), evaluation)
    }

    /// Both evaluations at the timesteps where they were written down from the references: t, f64, f32.
    const ANCHORS: [(usize, f64, f64); 9] = [
        (0, 0.999_150_000, 0.999_149_978),
        (1, 0.998_296_028, 0.998_296_022),
        (21, 0.980_380_748, 0.980_380_654),
        (201, 0.752_143_402, 0.752_143_085),
        (501, 0.274_999_067, 0.274_998_844),
        (801, 0.036_546_525, 0.036_546_495),
        (981, 0.005_775_500, 0.005_775_496),
        (998, 0.004_716_699, 0.004_716_696),
        (999, 0.004_660_099, 0.004_660_095),
    ];

    #[test]
    fn both_evaluations_meet_their_anchors() {
        for (t, double, single) in ANCHORS {
            let found = table(Evaluation::Double).level(t).alphas_cumprod;
            // The anchor was not rounded to f32; the table is.
            assert!(
                (found - double).abs() < 3.1e-8,
                "t {t}: {found} for {double}"
            );
            let found = table(Evaluation::Single).level(t).alphas_cumprod;
            assert!((found - single).abs() < 1e-9, "t {t}: {found} for {single}");
        }
    }

    #[test]
    fn the_evaluations_differ_by_no_more_than_was_measured() {
        let (single, double) = (table(Evaluation::Single), table(Evaluation::Double));
        let worst = (0..1000)
            .map(|t| (single.level(t).alphas_cumprod - double.level(t).alphas_cumprod).abs())
            .fold(0.0, f64::max);
        assert!((3e-7..6e-7).contains(&worst), "{worst}");
    }

    fn ends(steps: usize, spacing: Spacing) -> (usize, usize, usize) {
        let grid = table(Evaluation::Single).grid(steps, spacing).unwrap();
        let timesteps = &grid.timesteps;
        (timesteps[0], *timesteps.last().unwrap(), timesteps.len())
    }

    #[test]
    fn grids_are_those_of_the_references() {
        assert_eq!(ends(50, Spacing::Leading), (981, 1, 50));
        assert_eq!(ends(20, Spacing::Leading), (951, 1, 20));
        assert_eq!(ends(25, Spacing::Leading), (961, 1, 25));
        assert_eq!(ends(999, Spacing::Leading), (999, 1, 999));
        assert_eq!(ends(50, Spacing::Ldm), (981, 1, 50));
        assert_eq!(ends(250, Spacing::Ldm), (997, 1, 250));
        assert_eq!(ends(400, Spacing::Ldm), (999, 1, 500));
        assert_eq!(ends(30, Spacing::Ldm), (991, 1, 31));
        assert_eq!(ends(999, Spacing::PnpLdm), (999, 1, 999));
        assert_eq!(ends(30, Spacing::PnpLdm), (958, 1, 30));
        assert_eq!(ends(20, Spacing::Trailing), (999, 49, 20));
        assert_eq!(ends(20, Spacing::Linspace), (999, 0, 20));
        let linspace = table(Evaluation::Single)
            .grid(7, Spacing::Linspace)
            .unwrap();
        assert_eq!(linspace.timesteps, [999, 832, 666, 500, 333, 166, 0]);
    }

    #[test]
    fn grids_that_leave_the_trained_timesteps_are_refused() {
        let schedule = table(Evaluation::Single);
        for steps in [300, 999, 1000] {
            assert!(schedule.grid(steps, Spacing::Ldm).is_err(), "{steps}");
        }
        assert!(schedule.grid(0, Spacing::Leading).is_err());
        assert!(schedule.grid(1000, Spacing::Leading).is_err());
        assert!(schedule.grid(usize::MAX, Spacing::Leading).is_err());
    }

    #[test]
    fn the_last_step_ends_at_the_first_timestep() {
        let schedule = table(Evaluation::Single);
        let grid = schedule.grid(20, Spacing::Leading).unwrap();
        for following in [Following::Grid, Following::Ratio] {
            let steps = schedule.steps(&grid, following);
            assert_eq!(steps[0].0.t, 951);
            assert_eq!(steps[0].1.t, 901);
            assert_eq!(steps[19].0.t, 1);
            assert_eq!(steps[19].1, schedule.end());
        }
    }

    #[test]
    fn absent_settings_are_those_of_stable_diffusion() {
        let config = ScheduleConfig::from_json(r#"{"_class_name": "PNDMScheduler"}"#).unwrap();
        assert_eq!(config, ScheduleConfig::default());
        let v = ScheduleConfig::from_json(r#"{"prediction_type": "v_prediction"}"#).unwrap();
        assert_eq!(v.prediction_type, PredictionType::VPrediction);
        assert!(ScheduleConfig::from_json(r#"{"beta_schedule": "squaredcos_cap_v2"}"#).is_err());
        assert!(ScheduleConfig::from_json(r#"{"rescale_betas_zero_snr": true}"#).is_err());
    }
}
