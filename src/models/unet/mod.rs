//! The U-Net: predicts the noise in latents, told how noisy they are and what the text says.
//!
//! It has never heard of guidance: it calls a [`Tap`] at named [`Site`]s.

mod blocks;
mod site;
mod tap;
mod transformer;

pub use tap::{Block, NoTap, Part, Qkv, Site, Tap};

use blocks::{BlockSettings, DownBlock, Inputs, MidBlock, UpBlock, Width};
use transformer::TransformerSettings;

use super::{
    Parameters,
    config::UnetConfig,
    layers::{Conv3x3, GroupNorm, Linear, Scope},
    resnet::ResnetSettings,
};
use crate::{error::Result, tensor::Tensor};

/// The timestep's embedding is this many times as wide as the first block.
const TIME_FACTOR: usize = 4;
/// The slowest wave of the timestep's embedding is this many times slower than the fastest.
const LONGEST_PERIOD: f64 = 10_000.0;

/// The U-Net.
pub struct Unet {
    config: UnetConfig,
    time_linear_1: Linear,
    time_linear_2: Linear,
    conv_in: Conv3x3,
    down_blocks: Vec<DownBlock>,
    mid_block: MidBlock,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv3x3,
}

impl Unet {
    /// Builds the U-Net of this config.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(config: &UnetConfig, parameters: &mut dyn Parameters) -> Result<Self> {
        let mut scope = Scope::root(parameters);
        let channels = &config.block_out_channels;
        let count = channels.len();
        let [first, deepest] = [channels[0], channels[count - 1]];
        let time_channels = TIME_FACTOR * first;
        let (groups, eps) = (config.norm_num_groups, config.norm_eps);
        let settings = BlockSettings {
            resnet: ResnetSettings {
                time_channels: Some(time_channels),
                groups,
                eps,
            },
            transformer: TransformerSettings {
                context_channels: config.cross_attention_dim,
                groups,
            },
        };
        let layers = config.layers_per_block;

        let conv_in = Conv3x3::new(scope.at("conv_in"), config.in_channels, first)?;
        let mut time = scope.at("time_embedding");
        let time_linear_1 = Linear::new(time.at("linear_1"), first, time_channels)?;
        let time_linear_2 = Linear::new(time.at("linear_2"), time_channels, time_channels)?;

        let mut skips = vec![first];
        let mut down_blocks = Vec::new();
        for (index, &outputs) in channels.iter().enumerate() {
            let width = Width {
                inputs: channels[index.saturating_sub(1)],
                outputs,
                heads: config.down_heads(index),
            };
            let last = index + 1 == count;
            let name = scope.at(format!("down_blocks.{index}"));
            down_blocks.push(DownBlock::new(name, layers, width, settings, last)?);
            skips.extend(vec![outputs; layers + usize::from(!last)]);
        }

        let mid_heads = config.heads(count - 1);
        let mid_block = MidBlock::new(scope.at("mid_block"), deepest, mid_heads, settings)?;

        let mut up_blocks = Vec::new();
        for index in 0..count {
            let width = Width {
                inputs: channels[count - index.max(1)],
                outputs: channels[count - 1 - index],
                heads: config.up_heads(index),
            };
            let mut used = skips.split_off(skips.len() - (layers + 1));
            used.reverse();
            let last = index + 1 == count;
            let name = scope.at(format!("up_blocks.{index}"));
            up_blocks.push(UpBlock::new(name, &used, width, settings, last)?);
        }

        Ok(Self {
            config: config.clone(),
            time_linear_1,
            time_linear_2,
            conv_in,
            down_blocks,
            mid_block,
            up_blocks,
            conv_norm_out: GroupNorm::new(scope.at("conv_norm_out"), first, groups, eps)?,
            conv_out: Conv3x3::new(scope.at("conv_out"), first, config.out_channels)?,
        })
    }

    /// What it was built from.
    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// The network's output for noisy latents: noise, velocity or clean latents, as it was trained.
    ///
    /// # Shapes
    /// - `x`: `[B, h, w, 4]`, also returned
    /// - `t`: one timestep for all rows, or one for each
    /// - `context`: `[B, M, cross_attention_dim]`
    ///
    /// # Panics
    /// When they do not fit.
    pub fn forward(&self, x: &Tensor, t: &[usize], context: &Tensor, tap: &mut dyn Tap) -> Tensor {
        let [batch, ..] = x.dims::<4>();
        let [rows, ..] = context.dims::<3>();
        assert_eq!(rows, batch, "a text for each row of latents");
        let time = self.embed_time(x, t).silu();
        let inputs = Inputs {
            time: &time,
            context,
        };

        let mut h = self.conv_in.forward(x);
        h.milestone();
        let mut skips = vec![h.clone()];
        for (index, block) in self.down_blocks.iter().enumerate() {
            h = block.forward(h, &inputs, Block::Down(index), tap, &mut skips);
        }
        h = self.mid_block.forward(&h, &inputs, tap);
        for (index, block) in self.up_blocks.iter().enumerate() {
            h = block.forward(h, &inputs, Block::Up(index), tap, &mut skips);
        }
        self.conv_out
            .forward(&self.conv_norm_out.forward(&h).silu())
    }

    /// `[B, time_channels]`
    fn embed_time(&self, x: &Tensor, t: &[usize]) -> Tensor {
        let [batch, ..] = x.dims::<4>();
        assert!(
            t.len() == 1 || t.len() == batch,
            "{} timesteps for {batch} rows",
            t.len()
        );
        let channels = self.config.block_out_channels[0];
        let waves: Vec<f32> = t
            .iter()
            .flat_map(|&t| time_waves(t, channels, &self.config))
            .collect();
        let waves = waves.repeat(batch / t.len());
        let waves = x.device().tensor([batch, channels], waves);
        let inner = self.time_linear_1.forward(&waves).silu();
        self.time_linear_2.forward(&inner)
    }
}

/// Sines and cosines of a timestep at `channels / 2` frequencies, computed in f64.
fn time_waves(t: usize, channels: usize, config: &UnetConfig) -> Vec<f32> {
    let half = channels / 2;
    let phases = (0..half).map(|i| {
        let exponent = i as f64 / (half as f64 - config.freq_shift);
        t as f64 * LONGEST_PERIOD.powf(-exponent)
    });
    let sines: Vec<_> = phases.clone().map(|phase| phase.sin() as f32).collect();
    let cosines: Vec<_> = phases.map(|phase| phase.cos() as f32).collect();
    if config.flip_sin_to_cos {
        [cosines, sines].concat()
    } else {
        [sines, cosines].concat()
    }
}
