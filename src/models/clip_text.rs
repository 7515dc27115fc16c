//! CLIP's text encoder: tokens become the context that the U-Net's cross-attention looks at.

use super::{
    Kind, Parameters,
    config::{ClipTextConfig, HiddenAct},
    layers::{LayerNorm, Linear, Scope},
};
use crate::{
    error::Result,
    tensor::{Tensor, Unary},
};

/// CLIP's text encoder.
pub struct ClipText {
    config: ClipTextConfig,
    token_embedding: Tensor,
    position_embedding: Tensor,
    layers: Vec<Layer>,
    final_layer_norm: LayerNorm,
}

/// Attention, then a feed-forward layer, each beside a skip and behind a norm.
#[expect(
    clippy::struct_field_names,
    reason = "the fields have the checkpoint's names"
)]
struct Layer {
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
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
        let layers = (0..config.num_hidden_layers)
            .map(|index| Layer::new(scope.at(format!("encoder.layers.{index}")), config))
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
            x = layer.forward(&x, &self.config);
        }
        self.final_layer_norm.forward(&x)
    }
}

impl Layer {
    fn new(mut scope: Scope<'_>, config: &ClipTextConfig) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let eps = config.layer_norm_eps;
        Ok(Self {
            layer_norm1: LayerNorm::new(scope.at("layer_norm1"), hidden, eps)?,
            q_proj: Linear::new(scope.at("self_attn.q_proj"), hidden, hidden)?,
            k_proj: Linear::new(scope.at("self_attn.k_proj"), hidden, hidden)?,
            v_proj: Linear::new(scope.at("self_attn.v_proj"), hidden, hidden)?,
            out_proj: Linear::new(scope.at("self_attn.out_proj"), hidden, hidden)?,
            layer_norm2: LayerNorm::new(scope.at("layer_norm2"), hidden, eps)?,
            fc1: Linear::new(scope.at("mlp.fc1"), hidden, inner)?,
            fc2: Linear::new(scope.at("mlp.fc2"), inner, hidden)?,
        })
    }

    fn forward(&self, x: &Tensor, config: &ClipTextConfig) -> Tensor {
        let heads = config.num_attention_heads;
        let scale = ((config.hidden_size / heads) as f64).sqrt().recip();
        let normed = self.layer_norm1.forward(x);
        let q = self.q_proj.forward(&normed);
        let k = self.k_proj.forward(&normed);
        let v = self.v_proj.forward(&normed);
        let seen = q.attention(&k, &v, heads, scale, true);
        let x = self.out_proj.forward(&seen).add(x);

        let activation = match config.hidden_act {
            HiddenAct::QuickGelu => Unary::QuickGelu,
            HiddenAct::Gelu => Unary::GeluErf,
        };
        let inner = self.fc1.forward(&self.layer_norm2.forward(&x));
        self.fc2.forward(&inner.unary(activation)).add(&x)
    }
}
