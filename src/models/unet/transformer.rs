//! The transformer of the U-Net: pixels attend to one another, then to the text.

use super::tap::{Block, Part, Qkv, Site, Tap};
use crate::{
    error::Result,
    models::layers::{GroupNorm, LayerNorm, Linear, Scope},
    tensor::Tensor,
};

/// The transformer's entry norm has its own eps, whatever the config says of the others
/// (<https://github.com/huggingface/diffusers/blob/v0.31.0/src/diffusers/models/transformers/transformer_2d.py#L179>).
const ENTRY_NORM_EPS: f64 = 1e-6;
/// PyTorch's default.
const LAYER_NORM_EPS: f64 = 1e-5;
/// The feed-forward layer is this many times as wide as the tokens.
const FEED_FORWARD_FACTOR: usize = 4;

/// An attention with its projections.
struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
    scale: f64,
}

impl Attention {
    fn new(mut scope: Scope<'_>, channels: usize, keys: usize, heads: usize) -> Result<Self> {
        Ok(Self {
            to_q: Linear::unbiased(scope.at("to_q"), channels, channels)?,
            to_k: Linear::unbiased(scope.at("to_k"), keys, channels)?,
            to_v: Linear::unbiased(scope.at("to_v"), keys, channels)?,
            to_out: Linear::new(scope.at("to_out.0"), channels, channels)?,
            heads,
            scale: ((channels / heads) as f64).sqrt().recip(),
        })
    }

    /// `tokens [B, N, C]` look at `seen [B, M, keys]`.
    fn forward(&self, tokens: &Tensor, seen: &Tensor, at: Site, tap: &mut dyn Tap) -> Tensor {
        let projected = Qkv {
            q: self.to_q.forward(tokens),
            k: self.to_k.forward(seen),
            v: self.to_v.forward(seen),
        };
        let Qkv { q, k, v } = tap.qkv(at, projected);
        let mixed = if tap.wants_probs(at) {
            let probs = q.attention_probs(&k, self.heads, self.scale, false);
            tap.probs(at, probs).attention_apply(&v)
        } else {
            q.attention(&k, &v, self.heads, self.scale, false)
        };
        self.to_out.forward(&tap.gathered(at, mixed, &v))
    }
}

/// `attentions.N`: one transformer block between two projections, beside a skip.
pub struct Transformer {
    norm: GroupNorm,
    proj_in: Linear,
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff_in: Linear,
    ff_out: Linear,
    proj_out: Linear,
}

/// What the transformers of a U-Net have in common.
#[derive(Clone, Copy)]
pub struct TransformerSettings {
    /// Features of a text token.
    pub context_channels: usize,
    /// Groups of the entry norm.
    pub groups: usize,
}

impl Transformer {
    /// Of `channels`, in `heads`.
    pub fn new(
        mut scope: Scope<'_>,
        channels: usize,
        heads: usize,
        settings: TransformerSettings,
    ) -> Result<Self> {
        let inner = FEED_FORWARD_FACTOR * channels;
        let norm = GroupNorm::new(scope.at("norm"), channels, settings.groups, ENTRY_NORM_EPS)?;
        let proj_in = Linear::new(scope.at("proj_in"), channels, channels)?;
        let mut block = scope.at("transformer_blocks.0");
        let layer_norm = |scope: Scope<'_>| LayerNorm::new(scope, channels, LAYER_NORM_EPS);
        Ok(Self {
            norm,
            proj_in,
            norm1: layer_norm(block.at("norm1"))?,
            attn1: Attention::new(block.at("attn1"), channels, channels, heads)?,
            norm2: layer_norm(block.at("norm2"))?,
            attn2: Attention::new(
                block.at("attn2"),
                channels,
                settings.context_channels,
                heads,
            )?,
            norm3: layer_norm(block.at("norm3"))?,
            ff_in: Linear::new(block.at("ff.net.0.proj"), channels, 2 * inner)?,
            ff_out: Linear::new(block.at("ff.net.2"), inner, channels)?,
            proj_out: Linear::new(scope.at("proj_out"), channels, channels)?,
        })
    }

    /// # Shapes
    /// - `x`: `[B, h, w, C]`, also returned
    /// - `context`: `[B, M, context_channels]`
    pub fn forward(
        &self,
        x: &Tensor,
        context: &Tensor,
        block: Block,
        layer: usize,
        tap: &mut dyn Tap,
    ) -> Tensor {
        let [batch, h, w, channels] = x.dims();
        let site = |part| Site { block, layer, part };
        let entered = self.norm.forward(x).reshape([batch, h * w, channels]);
        let tokens = self.proj_in.forward(&entered);

        let normed = self.norm1.forward(&tokens);
        let seen = self
            .attn1
            .forward(&normed, &normed, site(Part::SelfAttention), tap);
        let tokens = seen.add(&tokens);

        let normed = self.norm2.forward(&tokens);
        let seen = self
            .attn2
            .forward(&normed, context, site(Part::CrossAttention), tap);
        let tokens = seen.add(&tokens);

        let gated = self.ff_in.forward(&self.norm3.forward(&tokens)).geglu();
        let tokens = self.ff_out.forward(&gated).add(&tokens);

        let left = self.proj_out.forward(&tokens);
        let joined = left.reshape([batch, h, w, channels]).add(x);
        joined.milestone();
        joined
    }
}
