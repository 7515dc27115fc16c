//! What an edit is asked for: its source, its method, and what they can be told.

mod method;
mod named;
mod quirks;

pub use method::Method;
pub use quirks::{BlankNegative, EditQuirks, EditStart, Encoding, SourceLatents, SourceText};

use serde::{Deserialize, Serialize};

use super::{Job, Parity, Traits};
use crate::{
    diffusion::Window,
    error::{Error, Result},
    guidance::{BlendSchedule, edit::PnpSites},
    models::unet::{Part, Site},
    picture::Crop,
};

/// What is edited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "from", rename_all = "snake_case")]
pub enum Source {
    /// A picture, which is inverted.
    Picture {
        /// Where it was.
        path: String,
        /// The SHA-256 of its file, in hexadecimal; a picture remembers it, and whoever writes a job may leave it out.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        sha256: String,
        /// What is to be seen in it, if that was said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prompt: String,
        /// The part of it that is used; the middle otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        crop: Option<Crop>,
    },
    /// A picture that the model makes first.
    Generated {
        /// What is to be seen in it.
        prompt: String,
        /// What is not.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        negative: String,
        /// Its seed.
        seed: u64,
        /// Its guidance scale.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cfg_scale: Option<f64>,
    },
}

impl Source {
    /// What is to be seen in it.
    pub fn prompt(&self) -> &str {
        match self {
            Self::Picture { prompt, .. } | Self::Generated { prompt, .. } => prompt,
        }
    }
}

/// A picture made anew under another prompt. What is `None` is the method's, the reference's or the crate's default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// How it takes after its source.
    #[serde(default)]
    pub method: Method,
    /// What is edited.
    pub source: Source,
    /// Steps in which the source's latents are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inversion_steps: Option<usize>,
    /// The steps in which residual blocks are the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_window: Option<Window>,
    /// The steps in which self-attentions are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_window: Option<Window>,
    /// The steps in which cross-attentions are, with prompt-to-prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_window: Option<Window>,
    /// The residual blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_layers: Option<Vec<Site>>,
    /// The self-attentions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_layers: Option<Vec<Site>>,
    /// The empty prompt's share of what is guided away from; without it, that is the negative prompt alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_alpha: Option<f64>,
    /// How that share changes from step to step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_schedule: Option<BlendSchedule>,
    /// How far towards noise an img2img begins, 0 to 1: the share of the steps that is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// The source's prompt stands in for the negative one: negative-prompt inversion
    /// (Miyake et al. 2023, <https://arxiv.org/abs/2305.16807>).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negative_inversion: bool,
}

/// Steps in which a picture is inverted, unless something else is asked for.
const INVERSION_STEPS: usize = 50;
/// How far towards noise an img2img begins, unless something else is asked for.
const STRENGTH: f64 = 0.75;
/// Steps of the references' edits and inversions.
const REFERENCE_STEPS: usize = 50;
const REFERENCE_INVERSION_STEPS: usize = 999;

/// What the references begin with.
struct Usual {
    steps: Option<usize>,
    cfg_scale: Option<f64>,
    negative_alpha: Option<f64>,
    feature_window: Window,
    attention_window: Window,
}

impl Edit {
    /// An edit of this source, with nothing chosen.
    pub fn of(source: Source) -> Self {
        Self {
            method: Method::default(),
            source,
            inversion_steps: None,
            feature_window: None,
            attention_window: None,
            cross_window: None,
            feature_layers: None,
            attention_layers: None,
            negative_alpha: None,
            negative_schedule: None,
            strength: None,
            negative_inversion: false,
        }
    }

    fn usual(&self, parity: Option<Parity>) -> Usual {
        let (features, attention) = match self.method {
            Method::Pnp => (Window::leading(0.8), Window::leading(0.5)),
            // From the fifth step on.
            Method::Masactrl => (
                Window::leading(0.0),
                Window::Steps {
                    first: 4,
                    last: 999,
                },
            ),
            Method::PromptToPrompt => (Window::leading(0.0), Window::leading(0.4)),
            Method::Img2img => (Window::leading(0.0), Window::leading(0.0)),
        };
        let through = |last| Window::Steps { first: 0, last };
        match (parity, &self.source) {
            (Some(Parity::PnpLdm), source) => {
                let (cfg_scale, alpha) = match source {
                    Source::Picture { .. } => (10.0, 1.0),
                    Source::Generated { .. } => (7.5, 0.75),
                };
                Usual {
                    steps: Some(REFERENCE_STEPS),
                    cfg_scale: Some(cfg_scale),
                    negative_alpha: Some(alpha),
                    feature_window: through(40),
                    attention_window: through(25),
                }
            }
            (Some(Parity::PnpDiffusers), _) => Usual {
                steps: Some(REFERENCE_STEPS),
                cfg_scale: Some(7.5),
                negative_alpha: None,
                feature_window: features,
                attention_window: attention,
            },
            _ => Usual {
                steps: None,
                cfg_scale: None,
                negative_alpha: None,
                feature_window: features,
                attention_window: attention,
            },
        }
    }

    /// The edit with nothing left open.
    fn filled(&self, parity: Option<Parity>, steps: usize) -> Self {
        let usual = self.usual(parity);
        let reference = matches!(parity, Some(Parity::PnpDiffusers | Parity::PnpLdm));
        let inversion_steps = match &self.source {
            Source::Picture { .. } if self.method == Method::Img2img => 0,
            Source::Picture { .. } if reference => REFERENCE_INVERSION_STEPS,
            Source::Picture { .. } => INVERSION_STEPS,
            Source::Generated { .. } => steps,
        };
        if self.method == Method::Img2img {
            return Self {
                inversion_steps: self.inversion_steps.or(Some(inversion_steps)),
                negative_alpha: self.negative_alpha.or(usual.negative_alpha),
                strength: self.strength.or(Some(STRENGTH)),
                ..self.clone()
            };
        }
        let mut filled = Self {
            inversion_steps: self.inversion_steps.or(Some(inversion_steps)),
            feature_window: self.feature_window.or(Some(usual.feature_window)),
            attention_window: self.attention_window.or(Some(usual.attention_window)),
            negative_alpha: self.negative_alpha.or(usual.negative_alpha),
            ..self.clone()
        };
        if self.method == Method::PromptToPrompt {
            filled.cross_window = self.cross_window.or(Some(Window::leading(0.8)));
        }
        if filled.negative_alpha.is_some() {
            filled.negative_schedule = self.negative_schedule.or(Some(BlendSchedule::default()));
        }
        filled
    }

    /// Steps in which the source's latents are found.
    pub fn inversion_steps(&self) -> usize {
        self.inversion_steps.unwrap_or(INVERSION_STEPS)
    }

    /// The share of the steps that is taken: less than all of them in an img2img only.
    pub fn strength(&self) -> f64 {
        match self.method {
            Method::Img2img => self.strength.unwrap_or(STRENGTH),
            _ => 1.0,
        }
    }

    /// How many texts the source's forward is told: one for all rows of the edit's, or one for its negative prompt's and one for its
    /// prompt's. `guided` says whether the edit has rows for a negative or empty prompt at all.
    pub fn source_texts(&self, guided: bool) -> usize {
        let both = match self.method {
            // A picture lends the same to both rows.
            Method::Pnp => matches!(self.source, Source::Generated { .. }),
            Method::Masactrl => true,
            Method::PromptToPrompt | Method::Img2img => false,
        };
        if both && guided { 2 } else { 1 }
    }

    /// Whether the latents of its source are found by inversion.
    pub fn inverts(&self) -> bool {
        self.method != Method::Img2img && matches!(self.source, Source::Picture { .. })
    }

    /// Whether the latents of its source make the source again: by inversion, or because they made it in the first place.
    pub fn is_remade(&self) -> bool {
        self.inverts() || matches!(self.source, Source::Generated { .. })
    }

    /// Where plug-and-play puts the source's values.
    pub fn sites(&self) -> PnpSites {
        let usual = PnpSites::default();
        PnpSites {
            features: self.feature_layers.clone().unwrap_or(usual.features),
            attention: self.attention_layers.clone().unwrap_or(usual.attention),
        }
    }

    /// The empty prompt's share of what is guided away from, and how it changes.
    pub fn blend(&self) -> Option<(f64, BlendSchedule)> {
        let alpha = self.negative_alpha?;
        Some((alpha, self.negative_schedule.unwrap_or_default()))
    }

    /// Refuses a strength that cannot work, and what goes with inversion where there is none.
    fn check_strength(&self) -> Result<()> {
        let wrong = |text: String| Err(Error::Request(text));
        if self.method != Method::Img2img {
            return match self.strength {
                Some(_) => wrong(format!(
                    "a strength is img2img's, and the method is {}: leave it out",
                    self.method
                )),
                None => Ok(()),
            };
        }
        let strength = self.strength();
        if !(strength > 0.0 && strength <= 1.0) {
            return wrong(format!(
                "the strength is {strength}, and must be above 0 and at most 1: 0.75 is usual"
            ));
        }
        let lent = self.feature_window.is_some()
            || self.attention_window.is_some()
            || self.feature_layers.is_some()
            || self.attention_layers.is_some();
        if lent {
            return wrong(
                "img2img takes no features of its source: leave windows and layers out".to_owned(),
            );
        }
        Ok(())
    }

    /// Refuses what can never work.
    fn check(&self, model: &Traits) -> Result<()> {
        let wrong = |text: String| Err(Error::Request(text));
        self.check_strength()?;
        let steps = self.inversion_steps();
        let noised = matches!(self.source, Source::Picture { .. }) && !self.inverts();
        if noised && steps != 0 {
            return wrong(
                "img2img inverts nothing: leave the inversion steps out, or choose another method"
                    .to_owned(),
            );
        }
        if !noised && (steps == 0 || steps > 999) {
            return wrong(format!(
                "{steps} inversion steps are impossible: ask for 1 to 999"
            ));
        }
        if let Some(alpha) = self
            .negative_alpha
            .filter(|alpha| !(0.0..=1.0).contains(alpha))
        {
            return wrong(format!(
                "the empty prompt's share of the negative one is {alpha}, and must be between 0 and 1"
            ));
        }
        if self.cross_window.is_some() && self.method != Method::PromptToPrompt {
            return wrong(format!(
                "a window for cross-attentions is prompt-to-prompt's, and the method is {}",
                self.method
            ));
        }
        if self.method == Method::PromptToPrompt && self.source.prompt().is_empty() {
            return wrong(
                "prompt-to-prompt compares two prompts: say what is to be seen in the source"
                    .to_owned(),
            );
        }
        if let Source::Generated {
            cfg_scale: Some(scale),
            ..
        } = &self.source
            && !scale.is_finite()
        {
            return wrong(format!(
                "a guidance scale of {scale} for the source is no number to work with"
            ));
        }
        let sites = self.sites();
        let all = sites.features.iter().map(|site| (site, Part::Resnet));
        let attentions = sites.attention.iter();
        let all = all.chain(attentions.map(|site| (site, Part::SelfAttention)));
        for (site, part) in all {
            if site.part != part || !site.is_in(&model.unet) {
                let (kind, example) = match part {
                    Part::Resnet => ("residual block", "up_blocks.1.resnets.1"),
                    _ => ("self-attention", "up_blocks.1.attentions.1"),
                };
                return wrong(format!(
                    "{site} is no {kind} of this model: name one like {example}"
                ));
            }
        }
        Ok(())
    }
}

/// Fills in and checks the edit of a job, if it is one, whose steps are filled in. `quirks` are all that the job or its preset
/// chooses.
///
/// # Errors
/// [`Error::Request`] in one sentence that says what would be right.
pub fn check(job: &mut Job, quirks: &EditQuirks, model: &Traits) -> Result<()> {
    let Some(edit) = job.edit.take() else {
        return Ok(());
    };
    let wrong = |text: &str| Err(Error::Request(text.to_owned()));
    let parity = job.parity;
    let steps = job.steps.unwrap_or(model.steps);
    let edit = edit.filled(parity, steps);
    edit.check(model)?;
    if Window::leading(edit.strength()).span(steps).is_empty() {
        return Err(Error::Request(format!(
            "a strength of {} takes none of {steps} steps: ask for more of either",
            edit.strength()
        )));
    }
    if job.latents.is_some() {
        return wrong("an edit begins with its source's latents: leave --latents out");
    }
    if job.count != 1 {
        return wrong(
            "an edit makes one picture a prompt: leave --count out, or give more prompts",
        );
    }
    if edit.negative_inversion && edit.source.prompt().is_empty() {
        return wrong(
            "negative-prompt inversion guides away from what is seen in the source: say what that is",
        );
    }
    if edit.negative_inversion && !job.negative.is_empty() && job.negative != edit.source.prompt() {
        return wrong(
            "negative-prompt inversion is a negative prompt of its own: leave the other one out",
        );
    }
    if edit.negative_alpha.is_some() && (job.cfg_rescale != 0.0 || job.apg.is_some()) {
        return wrong(
            "a blended negative prompt goes with the plain guidance: leave CFG-rescale and APG out",
        );
    }
    let blank = quirks.blank_negative.unwrap_or_default();
    let stands_in = edit.negative_inversion || blank == BlankNegative::SourcePrompt;
    if stands_in && job.negative.is_empty() {
        edit.source.prompt().clone_into(&mut job.negative);
    }
    job.edit = Some(edit);
    Ok(())
}

impl Job {
    /// Steps and guidance scale of the reference of its edit, if it has one.
    pub(super) fn usual_for_edit(&self) -> (Option<usize>, Option<f64>) {
        let usual = self.edit.as_ref().map(|edit| edit.usual(self.parity));
        usual.map_or((None, None), |usual| (usual.steps, usual.cfg_scale))
    }
}
