//! Which parts of universal guidance are used, and how strongly.

use serde::{Deserialize, Serialize};

/// A share of the steps: from the noisy end 0 to the clean end 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
}

impl Window {
    /// All steps.
    pub const ALL: Self = Self { from: 0.0, to: 1.0 };

    /// Whether it is over step `step` of `of`.
    ///
    /// ```
    /// use guidestar::guidance::universal::Window;
    ///
    /// let middle = Window { from: 0.3, to: 0.7 };
    /// let over = (0..10).filter(|&step| middle.is_over(step, 10)).collect::<Vec<_>>();
    /// assert_eq!(over, [3, 4, 5, 6]);
    /// ```
    pub fn is_over(self, step: usize, of: usize) -> bool {
        let edge = |share: f64| (share * of as f64).round() as usize;
        (edge(self.from)..edge(self.to)).contains(&step)
    }
}

/// The prediction that the clean estimate is made of, and so what the gradient goes back through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Through {
    /// Both, combined by classifier-free guidance: the published sampler for faces, segmentation and style.
    #[default]
    Cfg,
    /// The unconditional one alone; the prompt's share is added afterwards: the published sampler for detection.
    Uncond,
    /// The prompt's alone.
    Cond,
}

/// What the gradients move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The predicted noise, as the published universal guidance does.
    #[default]
    Noise,
    /// The latents behind the step, as TFG and its kin do.
    Latents,
}

/// How a strength changes from step to step; its mean over the steps stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Along {
    /// Not at all.
    #[default]
    Constant,
    /// With the share of signal that a step keeps.
    Increase,
    /// With the share of signal that a step adds.
    Decrease,
    /// With the noise that is left, in units of the signal: as a change of the predicted noise moves the clean estimate.
    Noise,
}

/// Guidance by the gradient with respect to the noisy latents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// How far to go.
    pub strength: f64,
    /// How that changes from step to step.
    #[serde(default)]
    pub along: Along,
    /// Counts the strength in units of what the prompt moves, as `FreeDoM` does.
    #[serde(default)]
    pub automatic: bool,
}

/// Where the clean estimate is improved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// In its latents, through the decoder.
    #[default]
    Latents,
    /// In its picture, which is encoded again afterwards: the published one.
    Pixels,
}

/// How the clean estimate is improved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Descent {
    /// Down the gradient.
    Plain {
        /// How far to go at a time.
        strength: f64,
        /// How that changes from step to step.
        #[serde(default)]
        along: Along,
        /// Counts the strength in units of what the prompt moves, as MPGD does.
        #[serde(default)]
        automatic: bool,
    },
    /// By Adam, begun anew each time.
    Adam {
        /// Learning rate.
        rate: f64,
        /// Rows whose loss is below this stay as they are.
        cutoff: f64,
        /// Lets the rate fall along a cosine.
        #[serde(default)]
        cosine: bool,
    },
}

/// Guidance that improves the clean estimate itself: no gradient goes through the U-Net.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backward {
    /// How.
    pub descent: Descent,
    /// How often at most.
    pub iterations: usize,
    /// Where.
    #[serde(default)]
    pub space: Space,
}

/// Averages the guide's likelihood over clean estimates with noise on them, as LGD does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smoothing {
    /// The noise's standard deviation in units of the latents' own.
    pub deviation: f64,
    /// How many estimates.
    pub samples: usize,
}

/// Which parts of universal guidance are used, and how strongly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What the clean estimate is made of.
    pub through: Through,
    /// What the gradients move.
    pub effect: Effect,
    /// Forward guidance, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<Forward>,
    /// Backward guidance, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backward: Option<Backward>,
    /// Noise on the estimates that are judged, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smoothing: Option<Smoothing>,
    /// How often guides look at a picture that need not stay where it is to the pixel, each time from a little elsewhere.
    pub looks: usize,
    /// Differentiates the loss's square root, as DPS does.
    pub root: bool,
    /// The steps that are guided.
    pub window: Window,
    /// How often each step is taken; with several numbers the trained timesteps are cut in as many equal parts, the first
    /// number for the cleanest.
    pub recurrences: Vec<usize>,
    /// The steps that are taken more than once.
    pub recurrence_window: Window,
    /// Draws the noise that a step's last turn has no use for, as the published sampler does: it moves the draws after it.
    pub spare_draw: bool,
    /// Greatest root mean square of a gradient, as it is applied; larger ones are shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Keeps memory low by computing the way forward again, stretch by stretch, on the way back.
    pub sparing: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            through: Through::Cfg,
            effect: Effect::Noise,
            forward: None,
            backward: None,
            smoothing: None,
            looks: 1,
            root: false,
            window: Window::ALL,
            recurrences: vec![1],
            recurrence_window: Window::ALL,
            spare_draw: false,
            clip: None,
            sparing: true,
        }
    }
}

impl Settings {
    /// The same, so many times as strong.
    #[must_use]
    pub fn times(mut self, factor: f64) -> Self {
        if let Some(forward) = &mut self.forward {
            forward.strength *= factor;
        }
        match self.backward.as_mut().map(|backward| &mut backward.descent) {
            Some(Descent::Plain { strength, .. }) => *strength *= factor,
            Some(Descent::Adam { rate, .. }) => *rate *= factor,
            None => {}
        }
        self
    }

    /// What is wrong with the numbers, if anything: a sentence for whoever chose them.
    ///
    /// # Errors
    /// That sentence.
    pub fn check(&self) -> Result<(), String> {
        let windows = [
            ("guided", self.window),
            ("repeated", self.recurrence_window),
        ];
        for (what, Window { from, to }) in windows {
            if !(0.0..=1.0).contains(&from) || !(0.0..=1.0).contains(&to) || from >= to {
                return Err(format!(
                    "the window of {what} steps is {from} to {to}: it must lie within 0 to 1 and not be empty"
                ));
            }
        }
        if self.recurrences.is_empty() || self.recurrences.contains(&0) {
            return Err("each step is taken at least once: recurrences begin at 1".to_owned());
        }
        if self.looks == 0 {
            return Err("guides look at least once: looks begin at 1".to_owned());
        }
        let mut numbers = vec![("clip", self.clip.unwrap_or(1.0))];
        if let Some(forward) = self.forward {
            numbers.push(("guide scale", forward.strength));
        }
        match self.backward.map(|backward| backward.descent) {
            Some(Descent::Plain { strength, .. }) => numbers.push(("backward strength", strength)),
            Some(Descent::Adam { rate, .. }) => numbers.push(("learning rate", rate)),
            None => {}
        }
        if let Some(smoothing) = self.smoothing {
            numbers.push(("smoothing", smoothing.deviation));
            if smoothing.samples == 0 {
                return Err("smoothing averages over at least 1 sample".to_owned());
            }
        }
        match numbers
            .into_iter()
            .find(|(_, number)| !number.is_finite() || *number < 0.0)
        {
            Some((what, number)) => Err(format!("a {what} of {number} is not a number from 0 on")),
            None => Ok(()),
        }
    }
}
