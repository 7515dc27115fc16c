//! Where the reference implementations disagree, by name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::edit::EditQuirks;
use crate::{
    diffusion::{
        NoiseSource,
        schedule::{Ending, Evaluation, Following, Spacing},
    },
    picture::Rounding,
};

/// Every choice in which references differ. `None` is the documented default, or the preset's value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// Precision of the table of noise levels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Evaluation>,
    /// Which training timesteps are visited; the checkpoint says what is usual for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spacing: Option<Spacing>,
    /// Which level follows a timestep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub following: Option<Following>,
    /// The level the last step ends at; the checkpoint says what is usual for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// The generator noise is drawn from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<NoiseSource>,
    /// How numbers become bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounding: Option<Rounding>,
    /// Choices about edits.
    #[serde(skip_serializing_if = "EditQuirks::is_empty")]
    pub edit: EditQuirks,
}

impl Quirks {
    /// These choices, and another's where there is none.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            evaluation: self.evaluation.or(other.evaluation),
            spacing: self.spacing.or(other.spacing),
            following: self.following.or(other.following),
            ending: self.ending.or(other.ending),
            noise: self.noise.or(other.noise),
            rounding: self.rounding.or(other.rounding),
            edit: self.edit.or(&other.edit),
        }
    }
}

/// A reference implementation whose every quirk is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parity {
    /// The diffusers library's pipelines.
    Diffusers,
    /// The original Stable Diffusion repository.
    Ldm,
    /// `ComfyUI` with its `ddim_uniform` timesteps.
    Comfyui,
    /// Plug-and-play on diffusers.
    PnpDiffusers,
    /// The original plug-and-play repository.
    PnpLdm,
    /// Universal guidance, which builds on the original repository.
    Ugd,
}

impl Parity {
    /// Every preset.
    pub const ALL: [Self; 6] = [
        Self::Diffusers,
        Self::Ldm,
        Self::Comfyui,
        Self::PnpDiffusers,
        Self::PnpLdm,
        Self::Ugd,
    ];

    /// The reference's choices.
    pub fn quirks(self) -> Quirks {
        let (evaluation, spacing, following, ending, rounding) = match self {
            Self::Diffusers => (
                Evaluation::Single,
                None,
                Following::Ratio,
                None,
                Rounding::Nearest,
            ),
            Self::PnpDiffusers => (
                Evaluation::Single,
                None,
                Following::Ratio,
                None,
                Rounding::Truncate,
            ),
            Self::Ldm => (
                Evaluation::Double,
                Some(Spacing::Ldm),
                Following::Grid,
                Some(Ending::FirstTimestep),
                Rounding::Truncate,
            ),
            Self::PnpLdm => (
                Evaluation::Double,
                Some(Spacing::PnpLdm),
                Following::Grid,
                Some(Ending::FirstTimestep),
                Rounding::Truncate,
            ),
            Self::Ugd => (
                Evaluation::Double,
                Some(Spacing::Ldm),
                Following::Grid,
                Some(Ending::FirstTimestep),
                Rounding::Nearest,
            ),
            Self::Comfyui => (
                Evaluation::Double,
                Some(Spacing::Ldm),
                Following::Grid,
                Some(Ending::Clean),
                Rounding::Truncate,
            ),
        };
        Quirks {
            evaluation: Some(evaluation),
            spacing,
            following: Some(following),
            ending,
            noise: Some(NoiseSource::Torch),
            rounding: Some(rounding),
            edit: EditQuirks::of(self),
        }
    }
}

impl fmt::Display for Parity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Diffusers => "diffusers",
            Self::Ldm => "ldm",
            Self::Comfyui => "comfyui",
            Self::PnpDiffusers => "pnp-diffusers",
            Self::PnpLdm => "pnp-ldm",
            Self::Ugd => "ugd",
        })
    }
}

impl FromStr for Parity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|parity| parity.to_string() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(|parity| parity.to_string()).join(", ");
                format!("no reference is called {text:?}: choose {names}")
            })
    }
}
