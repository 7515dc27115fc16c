//! Adaptive projected guidance (Sadat et al. 2024, <https://arxiv.org/abs/2410.02416>): large scales without burnt colours.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    tensor::{Tensor, Unary},
};

/// What [`Projected`] can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApgSettings {
    /// Share of the difference along the prompt's prediction that is kept; 1 is all, 0 only what is across.
    pub eta: f64,
    /// The difference is shortened to this length; 0 leaves it.
    pub norm: f64,
    /// Share of the differences before that is added; negative damps.
    pub momentum: f64,
}

impl Default for ApgSettings {
    fn default() -> Self {
        Self {
            eta: 1.0,
            norm: 15.0,
            momentum: 0.0,
        }
    }
}

impl ApgSettings {
    /// Refuses what can never work.
    ///
    /// # Errors
    /// [`Error::Request`] in one sentence that says what would be right.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: &str| Err(Error::Request(text.to_owned()));
        if ![self.eta, self.norm, self.momentum]
            .iter()
            .all(|x| x.is_finite())
        {
            return wrong("APG cannot work with numbers that are not finite");
        }
        if self.norm < 0.0 {
            return wrong(
                "APG's norm is a length, and cannot be below 0: 15 is usual, 0 sets no limit",
            );
        }
        if self.momentum.abs() >= 1.0 {
            return wrong("APG's momentum must be between -1 and 1: -0.5 and 0 are usual");
        }
        Ok(())
    }
}

/// Guides along a projection of the difference between both predictions; remembers the differences of one picture.
#[derive(Debug)]
pub struct Projected {
    settings: ApgSettings,
    running: Option<Tensor>,
}

impl Projected {
    /// Has seen no difference yet.
    pub fn new(settings: ApgSettings) -> Self {
        Self {
            settings,
            running: None,
        }
    }

    /// What the next step builds upon.
    pub(super) fn running(&self) -> Option<&Tensor> {
        self.running.as_ref()
    }

    /// `uncond + scale * (across + eta * along)`
    ///
    /// # Shapes
    /// - `uncond`, `cond`: `[B, h, w, C]`, also returned
    ///
    /// The running difference is remembered until the next step.
    pub(super) fn guide(&mut self, uncond: &Tensor, cond: &Tensor, scale: f64) -> Tensor {
        let ApgSettings {
            eta,
            norm,
            momentum,
        } = self.settings;
        let mut difference = cond.sub(uncond);
        if momentum != 0.0 {
            if let Some(before) = &self.running {
                difference = difference.mix(1.0, before, momentum);
            }
            // Remembered as numbers: a gradient of the next step does not go back into this one.
            self.running = Some(difference.detached());
        }
        if norm > 0.0 {
            difference = shortened(&difference, norm);
        }
        let along = cond.mul(&mean_product(&difference, cond).div(&mean_product(cond, cond)));
        let kept = difference.mix(1.0, &along, eta - 1.0);
        uncond.mix(1.0, &kept, scale)
    }
}

/// The same direction, no longer than `norm`.
fn shortened(x: &Tensor, norm: f64) -> Tensor {
    let [_, h, w, channels] = x.dims();
    let number = |value: f64| x.device().tensor([1, 1, 1, 1], vec![value as f32]);
    // Compared as root mean squares of numbers around 1: the sum of the squares may be too much for f16, and the squares
    // of small numbers too little.
    let greatest = x
        .unary(Unary::Abs)
        .greatest(&[1, 2, 3])
        .max(&number(SMALLEST));
    let unit = x.div(&greatest);
    let length = mean_product(&unit, &unit).unary(Unary::Sqrt).mul(&greatest);
    let longest = number(norm / ((h * w * channels) as f64).sqrt());
    x.mul(&longest.div(&length.max(&longest)))
}

/// Below this a difference counts as none; f16 still holds it.
const SMALLEST: f64 = 1e-4;

/// Means of products over everything but the batch: `[B, 1, 1, 1]`.
fn mean_product(a: &Tensor, b: &Tensor) -> Tensor {
    a.mul(b).mean(&[1, 2, 3])
}
