//! CLIP's text encoder: tokens become the context that the U-Net's cross-attention looks at.

use super::{
    Kind, Parameters,
    clip_layer::{ClipLayer, ClipLayerConfig},
    config::ClipTextConfig,
    layers::{LayerNorm, Scope},
};
use crate::{error::Result, tensor::Tensor};

/// CLIP's text encoder.
pub struct ClipText {
    config: ClipTextConfig,
    token_embedding: Tensor,
    position_embedding: Tensor,
    layers: Vec<ClipLayer>,
    final_layer_norm: LayerNorm,
}

impl ClipText {
    /// Builds the encoder of this config.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(config: &ClipTextConfig, parameters: &mut dyn Parameters) -> Result<Self> {
        let mut root = Scope::root(parameters);
        let mut scope = root.at("text_model");
        let columns = config.hidden_size;
        let mut table = |name, rows| scope.take(name, Kind::Table { rows, columns });
        let token_embedding = table("embeddings.token_embedding.weight", config.vocab_size)?;
        let position_embedding = table(
            "embeddings.position_embedding.weight",
            config.max_position_embeddings,
        )?;
        let layer = ClipLayerConfig {
            hidden: columns,
            inner: config.intermediate_size,
            heads: config.num_attention_heads,
            eps: config.layer_norm_eps,
            activation: config.hidden_act,
            causal: true,
        };
        let layers = (0..config.num_hidden_layers)
            .map(|index| ClipLayer::new(scope.at(format!("encoder.layers.{index}")), layer))
            .collect::<Result<_>>()?;
        let final_layer_norm =
            LayerNorm::new(scope.at("final_layer_norm"), columns, config.layer_norm_eps)?;
        Ok(Self {
            config: config.clone(),
            token_embedding,
            position_embedding,
            layers,
            final_layer_norm,
        })
    }

    /// What it was built from.
    pub fn config(&self) -> &ClipTextConfig {
        &self.config
    }

    /// The last hidden state, after the final norm.
    ///
    /// # Shapes
    /// - `prompts`: each as many tokens as the others
    /// - returns `[B, N, hidden_size]`
    ///
    /// # Panics
    /// When the prompts differ in length, or are longer than the encoder knows.
    pub fn forward(&self, prompts: &[Vec<u32>]) -> Tensor {
        let count = prompts[0].len();
        assert!(
            prompts.iter().all(|tokens| tokens.len() == count)
                && count <= self.config.max_position_embeddings,
            "prompts of one length, at most {} tokens",
            self.config.max_position_embeddings
        );
        let tokens = prompts.concat();
        let features = self.config.hidden_size;
        let words = self.token_embedding.gather(&tokens);
        let words = words.reshape([prompts.len(), count, features]);
        let places = self.position_embedding.rows(0..count);
        let mut x = words.add(&places.reshape([1, count, features]));
        for layer in &self.layers {
            x = layer.forward(&x);
        }
        self.final_layer_norm.forward(&x)
    }
}
