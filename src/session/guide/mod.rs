//! Universal guidance as a job asks for it: which guides, towards what, and how.

mod aims;
mod judges;
mod network;
mod published;
mod target;

use std::{borrow::Borrow, rc::Rc};

use serde::{Deserialize, Serialize};

pub use aims::{Materials, aims, scores};
pub use judges::{Judge, judged, judges, together};
pub use target::{NamedFile, Reading, Target, Wanted};

use super::{CheckedJob, Job, SamplerName};
use crate::{
    diffusion::{Noise, noise},
    error::{Error, Result},
    guidance::universal::{Aim, Kind, Preset, Recipe, Settings, Universal, Window},
    models::Autoencoder,
};

/// What the noise of recurrences is drawn from: the picture's seed with these bits turned, so that it is another stream.
const RENOISE: u64 = 0x7265_6e6f_6973_6521;

/// A guide of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guiding {
    /// What it pulls towards.
    pub target: Target,
    /// How much it counts among others.
    #[serde(default = "once")]
    pub weight: f64,
    /// The steps in which it counts.
    #[serde(default = "always")]
    pub window: Window,
}

fn once() -> f64 {
    1.0
}

fn is_once(strength: impl Borrow<f64>) -> bool {
    (strength.borrow() - once()).abs() < f64::EPSILON
}

fn always() -> Window {
    Window::ALL
}

impl From<Target> for Guiding {
    fn from(target: Target) -> Self {
        Self {
            target,
            weight: once(),
            window: always(),
        }
    }
}

/// Universal guidance as a job asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuideJob {
    /// Where settings come from that are left open, and with them the job's steps, guidance scale and fresh noise.
    #[serde(default)]
    pub preset: Preset,
    /// Which parts are used, and how strongly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    /// How many times as strongly as these say.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub strength: f64,
    /// The guides.
    pub guides: Vec<Guiding>,
}

impl GuideJob {
    /// The settings, those of the preset where none are chosen.
    pub fn settings(&self) -> Settings {
        let chosen = self.settings.clone();
        chosen.unwrap_or_else(|| self.recipe().settings)
    }

    /// The preset as it suits the first guide, which is the one that counts most to whoever asked.
    pub fn recipe(&self) -> Recipe {
        let first = self.guides.first();
        let kind = first.map_or(Kind::Pixels, |guiding| guiding.target.guides());
        self.preset.recipe(kind)
    }

    /// What guides one picture.
    pub(super) fn universal(
        &self,
        aims: &[Aim],
        autoencoder: &Rc<Autoencoder>,
        job: &CheckedJob,
        seed: u64,
    ) -> Universal {
        let source = job.quirks.noise.unwrap_or_default();
        let mut streams = vec![Noise::new(source, seed ^ RENOISE)];
        Universal {
            settings: self.settings().times(self.strength),
            aims: aims.to_vec(),
            autoencoder: autoencoder.clone(),
            noise: Box::new(move |device, shape| noise::latents(&mut streams, device, shape)),
        }
    }

    fn check(&self, job: &Job) -> Result<()> {
        let wrong = |text: String| Err(Error::Request(text));
        let settings = self.settings().times(self.strength);
        settings.check().map_err(Error::Request)?;
        if self.guides.is_empty() {
            return wrong(
                "there is nothing to guide towards: name a guide, such as --colour \"#3060c0\""
                    .to_owned(),
            );
        }
        if job.sampler == SamplerName::Pndm {
            return wrong(
                "guides need a sampler that remembers nothing: use --sampler ddim".to_owned(),
            );
        }
        if job.edit.is_some() {
            return wrong("an edit takes no guides: leave one of both out".to_owned());
        }
        for guiding in &self.guides {
            if !guiding.weight.is_finite() {
                return wrong(format!(
                    "a weight of {} is no number to work with",
                    guiding.weight
                ));
            }
            guiding.target.check()?;
        }
        Ok(())
    }
}

/// Fills in and checks the guides of a job, if it has any.
///
/// # Errors
/// [`Error::Request`] in one sentence that says what would be right.
pub(super) fn check(job: &mut Job) -> Result<()> {
    let Some(mut guide) = job.guide.take() else {
        return Ok(());
    };
    guide.check(job)?;
    if guide.settings.is_none() {
        guide.settings = Some(guide.recipe().settings);
    }
    job.guide = Some(guide);
    Ok(())
}

impl Job {
    /// Steps and guidance scale of its guides' preset, if it has one.
    pub(super) fn usual_for_guide(&self) -> (Option<usize>, Option<f64>) {
        let recipe = self.guide.as_ref().map(GuideJob::recipe);
        recipe.map_or((None, None), |recipe| {
            (Some(recipe.steps), recipe.cfg_scale)
        })
    }

    /// The share of fresh noise that goes with its guides' preset, if it has one.
    pub(super) fn usual_eta(&self) -> Option<f64> {
        Some(self.guide.as_ref()?.recipe().eta)
    }
}
