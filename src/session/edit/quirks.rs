//! Choices in which the references of edits differ.

use serde::{Deserialize, Serialize};

use crate::{
    diffusion::Inversion,
    picture::{Fit, Resampling},
    session::Parity,
};

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
