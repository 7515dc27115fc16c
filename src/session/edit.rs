//! What an edit is asked for: its source, its method, and what they can be told.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Job, Parity, Traits};
use crate::{
    diffusion::{Inversion, Window},
    error::{Error, Result},
    guidance::{BlendSchedule, edit::PnpSites},
    models::unet::{Part, Site},
    picture::{Crop, Fit, Resampling},
};

/// How an edit takes after its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Plug-and-play: its layout.
    #[default]
    Pnp,
    /// Mutual self-attention control: what it is made of, but not where things are.
    Masactrl,
    /// Prompt-to-prompt: where the words that both prompts have look.
    PromptToPrompt,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::Pnp, Self::Masactrl, Self::PromptToPrompt];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pnp => "pnp",
            Self::Masactrl => "masactrl",
            Self::PromptToPrompt => "prompt-to-prompt",
        })
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|method| method.to_string() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(|method| method.to_string()).join(", ");
                format!("no method is called {text:?}: choose {names}")
            })
    }
}

/// What is edited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "from", rename_all = "snake_case")]
pub enum Source {
    /// A picture, which is inverted.
    Picture {
        /// Where it was.
        path: String,
        /// The SHA-256 of its file, in hexadecimal.
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

/// How an autoencoder's distribution becomes latents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Its mean.
    #[default]
    Mean,
    /// A sample of it, drawn from the job's seed: the original repository.
    Sample,
}

/// Which latents stand for the source at each level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceLatents {
    /// Those that the inversion met: direct inversion.
    #[default]
    Inverted,
    /// Those that sampling meets on its way down again: the original repository.
    Resampled,
}

/// What the source's own forward is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceText {
    /// What it was inverted or generated with.
    #[default]
    Own,
    /// Nothing, whatever it was inverted with: plug-and-play on diffusers.
    Empty,
}

/// Which latents an edit begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditStart {
    /// Those of its first step.
    #[default]
    FirstStep,
    /// The noisiest there are, although the first step takes them for less noisy: the original repository.
    Noisiest,
}

/// What stands in for a negative prompt that is not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlankNegative {
    /// Nothing.
    #[default]
    Empty,
    /// The source's prompt: the original repository.
    SourcePrompt,
}

/// Choices in which the references of edits differ. `None` is the documented default, or the preset's value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EditQuirks {
    /// Whose timestep the network is told during an inversion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inversion: Option<Inversion>,
    /// How a picture becomes latents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// How a picture of another shape is made to fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// How it is resampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resampling: Option<Resampling>,
    /// Which latents stand for the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_latents: Option<SourceLatents>,
    /// What the source's forward is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_text: Option<SourceText>,
    /// Which latents the edit begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<EditStart>,
    /// What stands in for a negative prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blank_negative: Option<BlankNegative>,
}

impl EditQuirks {
    /// These choices, and another's where there is none.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            inversion: self.inversion.or(other.inversion),
            encoding: self.encoding.or(other.encoding),
            fit: self.fit.or(other.fit),
            resampling: self.resampling.or(other.resampling),
            source_latents: self.source_latents.or(other.source_latents),
            source_text: self.source_text.or(other.source_text),
            start: self.start.or(other.start),
            blank_negative: self.blank_negative.or(other.blank_negative),
        }
    }

    /// Whether nothing is chosen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A reference's choices.
    pub fn of(parity: Parity) -> Self {
        match parity {
            Parity::PnpDiffusers => Self {
                inversion: Some(Inversion::TargetT),
                encoding: Some(Encoding::Mean),
                fit: Some(Fit::ShorterSide),
                resampling: Some(Resampling::Bilinear),
                source_latents: Some(SourceLatents::Inverted),
                source_text: Some(SourceText::Empty),
                start: Some(EditStart::FirstStep),
                blank_negative: Some(BlankNegative::Empty),
            },
            Parity::PnpLdm => Self {
                inversion: Some(Inversion::SourceT),
                encoding: Some(Encoding::Sample),
                fit: Some(Fit::Cover),
                resampling: Some(Resampling::Lanczos),
                source_latents: Some(SourceLatents::Resampled),
                source_text: Some(SourceText::Own),
                start: Some(EditStart::Noisiest),
                blank_negative: Some(BlankNegative::SourcePrompt),
            },
            _ => Self::default(),
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
    /// The source's prompt stands in for the negative one: negative-prompt inversion
    /// (Miyake et al. 2023, <https://arxiv.org/abs/2305.16807>).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negative_inversion: bool,
}

/// Steps in which a picture is inverted, unless something else is asked for.
const INVERSION_STEPS: usize = 50;
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
            Source::Picture { .. } if reference => REFERENCE_INVERSION_STEPS,
            Source::Picture { .. } => INVERSION_STEPS,
            Source::Generated { .. } => steps,
        };
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

    /// Refuses what can never work.
    fn check(&self, model: &Traits) -> Result<()> {
        let wrong = |text: String| Err(Error::Request(text));
        let steps = self.inversion_steps();
        if steps == 0 || steps > 999 {
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
    let edit = edit.filled(parity, job.steps.unwrap_or(model.steps));
    edit.check(model)?;
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
