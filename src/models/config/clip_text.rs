//! Settings of CLIP's text encoder.

use serde::Deserialize;
use serde_json::Value;

use super::file;
use crate::error::Result;

/// The activation between the two halves of a feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenAct {
    /// `x * sigmoid(1.702 x)`
    QuickGelu,
    /// GELU by erf.
    Gelu,
}

/// Settings of CLIP's text encoder. Fields that a file leaves out have transformers' defaults.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClipTextConfig {
    /// Entries of the token table.
    pub vocab_size: usize,
    /// Features of a token.
    pub hidden_size: usize,
    /// Features inside a feed-forward layer.
    pub intermediate_size: usize,
    /// How many layers.
    pub num_hidden_layers: usize,
    /// How many heads.
    pub num_attention_heads: usize,
    /// Greatest number of tokens.
    pub max_position_embeddings: usize,
    /// Activation of the feed-forward layers.
    pub hidden_act: HiddenAct,
    /// Added to the norms' variance.
    pub layer_norm_eps: f64,
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            hidden_size: 512,
            intermediate_size: 2048,
            num_attention_heads: 8,
            ..Self::sd15()
        }
    }
}

impl ClipTextConfig {
    /// Stable Diffusion 1.5's: CLIP ViT-L/14.
    pub fn sd15() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            max_position_embeddings: 77,
            hidden_act: HiddenAct::QuickGelu,
            layer_norm_eps: 1e-5,
        }
    }

    /// The same topology, narrow: for tests.
    pub fn tiny() -> Self {
        Self {
            vocab_size: 1000,
            hidden_size: 32,
            intermediate_size: 64,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            ..Self::sd15()
        }
    }

    /// Reads a config.json; `place` is named in errors.
    ///
    /// # Errors
    /// When it is not one, or asks for something that is not done here.
    pub fn from_json(place: &str, json: &str) -> Result<Self> {
        let config: Self = file::read(place, json, &neutral())?;
        let (hidden, heads) = (config.hidden_size, config.num_attention_heads);
        if heads == 0 || hidden % heads != 0 {
            let problem = format!("{hidden} features do not divide into {heads} heads");
            return Err(file::refusal(place, problem));
        }
        Ok(config)
    }
}

/// Settings that change nothing when the encoder is only run, and whose last hidden state is all that is used.
fn neutral() -> [(&'static str, Value); 14] {
    [
        "architectures",
        "attention_dropout",
        "bos_token_id",
        "dropout",
        "dtype",
        "eos_token_id",
        "gradient_checkpointing",
        "initializer_factor",
        "initializer_range",
        "model_type",
        "pad_token_id",
        "projection_dim",
        "torch_dtype",
        "transformers_version",
    ]
    .map(|key| (key, Value::Null))
}
