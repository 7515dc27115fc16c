//! Settings of the guides that understand the default model's pictures.

use serde::Deserialize;

use super::{clip_text::ClipTextConfig, file};
use crate::error::Result;

/// The names that the eyes tell apart, in the order of their outputs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Names {
    /// Things: "red apple", "banana".
    pub thing: Vec<String>,
    /// Colours of a plain background.
    pub colour: Vec<String>,
    /// Places; the first is a plain studio background, which is none.
    pub scene: Vec<String>,
    /// Colours that a thing is dyed; the first is its own.
    pub dye: Vec<String>,
}

/// Settings of the eyes and of the text encoder that goes with them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct EyesConfig {
    /// What they tell apart; nothing at all for eyes that know people again.
    pub names: Names,
    /// Channels of the four feature maps.
    pub widths: [usize; 4],
    /// Channels of the map that mask and boxes are read from; 0 for eyes that only name things.
    pub lateral: usize,
    /// Features of the embedding that pictures share with texts, or with others of the same person; 0 for eyes without one.
    pub embedding: usize,
    /// The text encoder.
    #[serde(default)]
    pub text: Option<ClipTextConfig>,
}

impl EyesConfig {
    /// Reads a config; `place` is named in errors.
    ///
    /// # Errors
    /// When it is not one.
    pub fn from_json(place: &str, json: &str) -> Result<Self> {
        file::read(place, json, &[])
    }
}
