//! `AutoencoderKL`: pictures to latents and back.

use super::{
    Parameters,
    config::VaeConfig,
    layers::{Conv3x3, GroupNorm, Linear, Scope, Upsample},
    resnet::{Resnet, ResnetSettings},
};
use crate::{
    error::Result,
    tensor::{Conv, Tensor},
};

/// All norms of this network have the same eps, which no config mentions
/// (<https://github.com/huggingface/diffusers/blob/v0.31.0/src/diffusers/models/autoencoders/vae.py#L114>).
const NORM_EPS: f64 = 1e-6;
/// The log of the variance is kept within these.
const LOGVAR: [f32; 2] = [-30.0, 20.0];

/// What the encoder says of a picture: a normal distribution for each element of the latents.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// Means, `[B, h, w, latent_channels]`, not yet scaled for the U-Net.
    pub mean: Tensor,
    /// Logs of the variances, of the same shape.
    pub logvar: Tensor,
}

impl Posterior {
    /// A sample, given numbers drawn from the standard normal distribution.
    #[must_use]
    pub fn sample(&self, noise: &Tensor) -> Tensor {
        let deviation = self
            .logvar
            .affine(0.5, 0.0)
            .unary(crate::tensor::Unary::Exp);
        self.mean.add(&deviation.mul(noise))
    }
}

/// `AutoencoderKL`
pub struct Vae {
    config: VaeConfig,
    encoder: Encoder,
    quant_conv: Linear,
    post_quant_conv: Linear,
    decoder: Decoder,
}

impl Vae {
    /// Builds the autoencoder of this config.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(config: &VaeConfig, parameters: &mut dyn Parameters) -> Result<Self> {
        let mut scope = Scope::root(parameters);
        let latent = config.latent_channels;
        Ok(Self {
            config: config.clone(),
            encoder: Encoder::new(scope.at("encoder"), config)?,
            quant_conv: Linear::new(scope.at("quant_conv"), 2 * latent, 2 * latent)?,
            post_quant_conv: Linear::new(scope.at("post_quant_conv"), latent, latent)?,
            decoder: Decoder::new(scope.at("decoder"), config)?,
        })
    }

    /// What it was built from.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// What a picture's latents may be, before they are scaled for the U-Net.
    ///
    /// # Shapes
    /// - `image`: `[B, H, W, 3]` in [-1, 1]
    pub fn encode(&self, image: &Tensor) -> Posterior {
        let moments = self.quant_conv.forward(&self.encoder.forward(image));
        let latent = self.config.latent_channels;
        let [low, high] = LOGVAR;
        Posterior {
            mean: moments.slice(3, 0..latent),
            logvar: moments.slice(3, latent..2 * latent).clamp(low, high),
        }
    }

    /// The picture behind latents that are no longer scaled for the U-Net.
    ///
    /// # Shapes
    /// - `latents`: `[B, h, w, latent_channels]`
    /// - returns `[B, H, W, 3]`, about in [-1, 1]
    pub fn decode(&self, latents: &Tensor) -> Tensor {
        self.decoder.forward(&self.post_quant_conv.forward(latents))
    }
}

fn settings(config: &VaeConfig) -> ResnetSettings {
    ResnetSettings {
        time_channels: None,
        groups: config.norm_num_groups,
        eps: NORM_EPS,
    }
}

/// Pixels look at pixels, with one head.
struct Attention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

impl Attention {
    fn new(mut scope: Scope<'_>, channels: usize, groups: usize) -> Result<Self> {
        Ok(Self {
            group_norm: GroupNorm::new(scope.at("group_norm"), channels, groups, NORM_EPS)?,
            to_q: Linear::new(scope.at("to_q"), channels, channels)?,
            to_k: Linear::new(scope.at("to_k"), channels, channels)?,
            to_v: Linear::new(scope.at("to_v"), channels, channels)?,
            to_out: Linear::new(scope.at("to_out.0"), channels, channels)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let [batch, h, w, channels] = x.dims();
        let tokens = self.group_norm.forward(x);
        let tokens = tokens.reshape([batch, h * w, channels]);
        let q = self.to_q.forward(&tokens);
        let k = self.to_k.forward(&tokens);
        let v = self.to_v.forward(&tokens);
        let scale = (channels as f64).sqrt().recip();
        let seen = self.to_out.forward(&q.attention(&k, &v, 1, scale, false));
        let joined = seen.reshape([batch, h, w, channels]).add(x);
        joined.milestone();
        joined
    }
}

/// An attention between two residual blocks.
struct MidBlock {
    resnets: [Resnet; 2],
    attention: Attention,
}

impl MidBlock {
    fn new(mut scope: Scope<'_>, channels: usize, settings: ResnetSettings) -> Result<Self> {
        let attention = scope.at("attentions.0");
        let attention = Attention::new(attention, channels, settings.groups)?;
        let mut resnet = |name| Resnet::new(scope.at(name), channels, channels, settings);
        Ok(Self {
            resnets: [resnet("resnets.0")?, resnet("resnets.1")?],
            attention,
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let h = self.attention.forward(&self.resnets[0].forward(x));
        self.resnets[1].forward(&h)
    }
}

/// Residual blocks one behind another, the first of which changes the number of channels.
fn resnets(
    scope: &mut Scope<'_>,
    [inputs, outputs]: [usize; 2],
    count: usize,
    settings: ResnetSettings,
) -> Result<Vec<Resnet>> {
    (0..count)
        .map(|layer| {
            let inputs = if layer == 0 { inputs } else { outputs };
            let name = scope.at(format!("resnets.{layer}"));
            Resnet::new(name, inputs, outputs, settings)
        })
        .collect()
}

struct Encoder {
    conv_in: Conv3x3,
    down_blocks: Vec<(Vec<Resnet>, Option<Conv3x3>)>,
    mid_block: MidBlock,
    conv_norm_out: GroupNorm,
    conv_out: Conv3x3,
}

impl Encoder {
    fn new(mut scope: Scope<'_>, config: &VaeConfig) -> Result<Self> {
        let settings = settings(config);
        let channels = &config.block_out_channels;
        let last = channels.len() - 1;
        // Halving pads below and on the right only
        // (https://github.com/huggingface/diffusers/blob/v0.31.0/src/diffusers/models/downsampling.py#L141).
        let halving = Conv {
            stride: [2, 2],
            pad: [0, 1, 0, 1],
            ..Conv::padded(0)
        };
        let conv_in = Conv3x3::new(scope.at("conv_in"), config.in_channels, channels[0])?;
        let mut down_blocks = Vec::new();
        for (index, &outputs) in channels.iter().enumerate() {
            let mut block = scope.at(format!("down_blocks.{index}"));
            let ends = [channels[index.saturating_sub(1)], outputs];
            let layers = resnets(&mut block, ends, config.layers_per_block, settings)?;
            let downsampler = (index != last)
                .then(|| {
                    let name = block.at("downsamplers.0.conv");
                    Conv3x3::shaped(name, outputs, outputs, halving, true)
                })
                .transpose()?;
            down_blocks.push((layers, downsampler));
        }
        let deepest = channels[last];
        let norm = scope.at("conv_norm_out");
        let conv_norm_out = GroupNorm::new(norm, deepest, settings.groups, NORM_EPS)?;
        Ok(Self {
            conv_in,
            down_blocks,
            mid_block: MidBlock::new(scope.at("mid_block"), deepest, settings)?,
            conv_norm_out,
            conv_out: Conv3x3::new(scope.at("conv_out"), deepest, 2 * config.latent_channels)?,
        })
    }

    fn forward(&self, image: &Tensor) -> Tensor {
        let mut h = self.conv_in.forward(image);
        for (layers, downsampler) in &self.down_blocks {
            for layer in layers {
                h = layer.forward(&h);
            }
            if let Some(downsampler) = downsampler {
                h = downsampler.forward(&h);
                h.milestone();
            }
        }
        let h = self.mid_block.forward(&h);
        self.conv_out
            .forward(&self.conv_norm_out.forward(&h).silu())
    }
}

struct Decoder {
    conv_in: Conv3x3,
    mid_block: MidBlock,
    up_blocks: Vec<(Vec<Resnet>, Option<Upsample>)>,
    conv_norm_out: GroupNorm,
    conv_out: Conv3x3,
}

impl Decoder {
    fn new(mut scope: Scope<'_>, config: &VaeConfig) -> Result<Self> {
        let settings = settings(config);
        let channels: Vec<_> = config.block_out_channels.iter().rev().copied().collect();
        let last = channels.len() - 1;
        let conv_in = scope.at("conv_in");
        let conv_in = Conv3x3::new(conv_in, config.latent_channels, channels[0])?;
        let mid_block = MidBlock::new(scope.at("mid_block"), channels[0], settings)?;
        let mut up_blocks = Vec::new();
        for (index, &outputs) in channels.iter().enumerate() {
            let mut block = scope.at(format!("up_blocks.{index}"));
            let ends = [channels[index.saturating_sub(1)], outputs];
            let layers = resnets(&mut block, ends, config.layers_per_block + 1, settings)?;
            let upsampler = (index != last)
                .then(|| Upsample::new(block.at("upsamplers.0"), outputs))
                .transpose()?;
            up_blocks.push((layers, upsampler));
        }
        let norm = scope.at("conv_norm_out");
        let conv_norm_out = GroupNorm::new(norm, channels[last], settings.groups, NORM_EPS)?;
        Ok(Self {
            conv_in,
            mid_block,
            up_blocks,
            conv_norm_out,
            conv_out: Conv3x3::new(scope.at("conv_out"), channels[last], config.out_channels)?,
        })
    }

    fn forward(&self, latents: &Tensor) -> Tensor {
        let mut h = self.mid_block.forward(&self.conv_in.forward(latents));
        for (layers, upsampler) in &self.up_blocks {
            for layer in layers {
                h = layer.forward(&h);
            }
            if let Some(upsampler) = upsampler {
                let [_, tall, wide, _] = h.dims();
                h = upsampler.forward(&h, [2 * tall, 2 * wide]);
                h.milestone();
            }
        }
        self.conv_out
            .forward(&self.conv_norm_out.forward(&h).silu())
    }
}
