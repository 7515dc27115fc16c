//! CLIP's image encoder as a transformer over patches (Radford et al. 2021, <https://arxiv.org/abs/2103.00020>), under the
//! names that transformers gives its parameters.

use super::Encoder;
use crate::{
    error::Result,
    models::{
        Kind, Parameters,
        clip_layer::{ClipLayer, ClipLayerConfig},
        config::HiddenAct,
        layers::{LayerNorm, Linear, Scope},
    },
    tensor::{Conv, Tensor},
};

const EPS: f64 = 1e-5;

/// Its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipVisionConfig {
    /// Features of a patch.
    pub hidden_size: usize,
    /// Features inside a feed-forward layer.
    pub intermediate_size: usize,
    /// How many layers.
    pub num_hidden_layers: usize,
    /// How many heads.
    pub num_attention_heads: usize,
    /// Pixels along each side of a picture.
    pub image_size: usize,
    /// Pixels along each side of a patch.
    pub patch_size: usize,
    /// Numbers of an embedding.
    pub projection_dim: usize,
}

impl ClipVisionConfig {
    /// ViT-B/32.
    pub fn vit_b_32() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            image_size: 224,
            patch_size: 32,
            projection_dim: 512,
        }
    }

    /// The same topology, narrow: for tests.
    pub fn tiny() -> Self {
        Self {
            hidden_size: 32,
            intermediate_size: 48,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            image_size: 24,
            patch_size: 8,
            projection_dim: 20,
        }
    }

    fn patches(&self) -> usize {
        (self.image_size / self.patch_size).pow(2)
    }
}

/// The encoder.
pub struct ClipVision {
    config: ClipVisionConfig,
    class_embedding: Tensor,
    patch_embedding: Tensor,
    position_embedding: Tensor,
    pre_layernorm: LayerNorm,
    layers: Vec<ClipLayer>,
    post_layernorm: LayerNorm,
    visual_projection: Linear,
}

impl ClipVision {
    /// Builds the encoder of these sizes.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(config: &ClipVisionConfig, parameters: &mut dyn Parameters) -> Result<Self> {
        let mut root = Scope::root(parameters);
        let hidden = config.hidden_size;
        let visual_projection =
            Linear::unbiased(root.at("visual_projection"), hidden, config.projection_dim)?;
        let mut scope = root.at("vision_model");
        let mut embeddings = scope.at("embeddings");
        let patch = Kind::Conv {
            outputs: hidden,
            inputs: 3,
            kernel: [config.patch_size; 2],
        };
        let places = Kind::Table {
            rows: config.patches() + 1,
            columns: hidden,
        };
        let class_embedding = embeddings.take("class_embedding", Kind::Vector(hidden))?;
        let patch_embedding = embeddings.take("patch_embedding.weight", patch)?;
        let position_embedding = embeddings.take("position_embedding.weight", places)?;
        let layer = ClipLayerConfig {
            hidden,
            inner: config.intermediate_size,
            heads: config.num_attention_heads,
            eps: EPS,
            activation: HiddenAct::QuickGelu,
            causal: false,
        };
        Ok(Self {
            config: *config,
            class_embedding,
            patch_embedding,
            position_embedding,
            // The name is misspelled where it was published.
            pre_layernorm: LayerNorm::new(scope.at("pre_layrnorm"), hidden, EPS)?,
            layers: (0..config.num_hidden_layers)
                .map(|at| ClipLayer::new(scope.at(format!("encoder.layers.{at}")), layer))
                .collect::<Result<_>>()?,
            post_layernorm: LayerNorm::new(scope.at("post_layernorm"), hidden, EPS)?,
            visual_projection,
        })
    }

    /// What it was built from.
    pub fn config(&self) -> &ClipVisionConfig {
        &self.config
    }
}

impl Encoder for ClipVision {
    fn embed(&self, image: &Tensor) -> Result<Tensor> {
        let ClipVisionConfig {
            hidden_size,
            patch_size,
            ..
        } = self.config;
        let [batch, ..] = image.dims::<4>();
        let count = self.config.patches();
        let cut = Conv {
            stride: [patch_size; 2],
            ..Conv::padded(0)
        };
        let patches = image.conv2d(&self.patch_embedding, None, cut);
        let patches = patches.reshape([batch, count, hidden_size]);
        let class = self.class_embedding.reshape([1, 1, hidden_size]);
        let class = class.expand([batch, 1, hidden_size]);
        let tokens = Tensor::concat(&[&class, &patches], 1);
        let places = &self.position_embedding;
        let x = tokens.add(&places.reshape([1, count + 1, hidden_size]));
        let mut x = self.pre_layernorm.forward(&x);
        for layer in &self.layers {
            x.milestone();
            x = layer.forward(&x);
        }
        let class = x.slice(1, 0..1).reshape([batch, hidden_size]);
        let class = self.post_layernorm.forward(&class);
        Ok(self.visual_projection.forward(&class))
    }
}
