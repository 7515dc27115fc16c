//! How an edit takes after its source.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

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
    /// What is left of it under noise of a chosen strength, from which the prompt is sampled; nothing is inverted
    /// (Meng et al. 2021, <https://arxiv.org/abs/2108.01073>).
    #[serde(rename = "img2img")]
    Img2img,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 4] = [
        Self::Pnp,
        Self::Masactrl,
        Self::PromptToPrompt,
        Self::Img2img,
    ];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pnp => "pnp",
            Self::Masactrl => "masactrl",
            Self::PromptToPrompt => "prompt-to-prompt",
            Self::Img2img => "img2img",
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
