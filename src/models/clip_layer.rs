//! A layer of CLIP's transformers.

use super::{
    config::HiddenAct,
    layers::{LayerNorm, Linear, Scope},
};
use crate::{
    error::Result,
    tensor::{Tensor, Unary},
};

/// Sizes of a layer.
#[derive(Clone, Copy)]
pub struct ClipLayerConfig {
    /// Features of a token.
    pub hidden: usize,
    /// Features inside the feed-forward layer.
    pub inner: usize,
    pub heads: usize,
    /// Added to the norms' variance.
    pub eps: f64,
    pub activation: HiddenAct,
    /// Tokens see those before them alone, as a text's do.
    pub causal: bool,
}

/// Attention, then a feed-forward layer, each beside a skip and behind a norm.
pub struct ClipLayer {
    config: ClipLayerConfig,
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl ClipLayer {
    pub fn new(mut scope: Scope<'_>, config: ClipLayerConfig) -> Result<Self> {
        let ClipLayerConfig {
            hidden, inner, eps, ..
        } = config;
        Ok(Self {
            config,
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

    /// `[B, N, hidden]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let ClipLayerConfig {
            hidden,
            heads,
            causal,
            ..
        } = self.config;
        let scale = ((hidden / heads) as f64).sqrt().recip();
        let normed = self.layer_norm1.forward(x);
        let q = self.q_proj.forward(&normed);
        let k = self.k_proj.forward(&normed);
        let v = self.v_proj.forward(&normed);
        let seen = q.attention(&k, &v, heads, scale, causal);
        let x = self.out_proj.forward(&seen).add(x);

        let activation = match self.config.activation {
            HiddenAct::QuickGelu => Unary::QuickGelu,
            HiddenAct::Gelu => Unary::GeluErf,
        };
        let inner = self.fc1.forward(&self.layer_norm2.forward(&x));
        self.fc2.forward(&inner.unary(activation)).add(&x)
    }
}
