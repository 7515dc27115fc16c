//! Texts to the embeddings that pictures of them have.

use super::unit;
use crate::{
    error::Result,
    models::{ClipText, Kind, Parameters, config::ClipTextConfig, layers::Scope},
    tensor::Tensor,
};

/// A small CLIP text encoder whose state at a text's end is the text's embedding.
pub struct TextTower {
    text: ClipText,
    /// `[hidden_size, embedding]`
    project: Tensor,
}

impl TextTower {
    /// Builds the tower of this config.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(
        config: &ClipTextConfig,
        embedding: usize,
        parameters: &mut dyn Parameters,
    ) -> Result<Self> {
        let project = Kind::Linear {
            outputs: embedding,
            inputs: config.hidden_size,
        };
        Self::with(config, ("project.weight", project), parameters)
    }

    /// The same of `OpenAI`'s own files, which store the projection with its inputs first and call it `text_projection`.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn openai(
        config: &ClipTextConfig,
        embedding: usize,
        parameters: &mut dyn Parameters,
    ) -> Result<Self> {
        let project = Kind::Table {
            rows: config.hidden_size,
            columns: embedding,
        };
        Self::with(config, ("text_projection", project), parameters)
    }

    fn with(
        config: &ClipTextConfig,
        (name, kind): (&str, Kind),
        parameters: &mut dyn Parameters,
    ) -> Result<Self> {
        let text = ClipText::new(config, parameters)?;
        let project = Scope::root(parameters).take(name, kind)?;
        Ok(Self { text, project })
    }

    /// The embeddings of texts, each 1 long.
    ///
    /// # Shapes
    /// - `prompts`: tokens of each text, all of one length
    /// - `ends`: where in them each text ends: the place of its first end token
    /// - returns `[B, embedding]`
    ///
    /// # Panics
    /// When the prompts differ in length, or one does not end inside it.
    pub fn embed(&self, prompts: &[Vec<u32>], ends: &[usize]) -> Tensor {
        let states = self.text.forward(prompts);
        let width = self.text.config().hidden_size;
        let last: Vec<Tensor> = (0..prompts.len())
            .map(|row| {
                let state = states
                    .slice(0, row..row + 1)
                    .slice(1, ends[row]..ends[row] + 1);
                state.reshape([1, width])
            })
            .collect();
        let last = Tensor::concat(&last.iter().collect::<Vec<_>>(), 0);
        unit(&last.matmul(&self.project, None))
    }
}
