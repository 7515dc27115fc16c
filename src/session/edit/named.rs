//! What an edit adds to the line of settings that picture sites read.

use super::{Edit, Method, Source};
use crate::session::notes::quoted;

impl Edit {
    /// Names and values, for a line that others split at commas.
    pub fn named(&self) -> Vec<(&'static str, String)> {
        let mut said = vec![("Edit method", self.method.to_string())];
        match &self.source {
            Source::Picture { path, prompt, .. } => {
                // Where it lies on somebody's disk is nobody's business.
                let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
                said.push(("Edit source", quoted(name)));
                if !prompt.is_empty() {
                    said.push(("Edit source prompt", quoted(prompt)));
                }
            }
            Source::Generated { prompt, seed, .. } => {
                said.push(("Edit source prompt", quoted(prompt)));
                said.push(("Edit source seed", seed.to_string()));
            }
        }
        // The name under which everybody knows it.
        if self.method == Method::Img2img {
            said.push(("Denoising strength", self.strength().to_string()));
            return said;
        }
        said.push(("Inversion steps", self.inversion_steps().to_string()));
        for (name, window) in [
            ("Feature window", self.feature_window),
            ("Attention window", self.attention_window),
            ("Cross-attention window", self.cross_window),
        ] {
            if let Some(window) = window {
                said.push((name, window.to_string()));
            }
        }
        said
    }
}
