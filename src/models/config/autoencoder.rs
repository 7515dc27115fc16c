//! Settings of the autoencoders.

use serde::Deserialize;
use serde_json::{Value, json};

use super::file;
use crate::error::Result;

/// Settings of either autoencoder.
#[derive(Clone, Debug, PartialEq)]
pub enum AutoencoderConfig {
    /// `AutoencoderKL`
    Kl(VaeConfig),
    /// `AutoencoderTiny`
    Tiny(TaesdConfig),
}

/// Settings of `AutoencoderKL`. Fields that a file leaves out have diffusers' defaults.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct VaeConfig {
    /// Channels of a picture.
    pub in_channels: usize,
    /// Channels of a picture.
    pub out_channels: usize,
    /// Channels of each block, from the picture in.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks in each block of the encoder; the decoder has one more.
    pub layers_per_block: usize,
    /// `DownEncoderBlock2D` alone is known.
    pub down_block_types: Vec<String>,
    /// `UpDecoderBlock2D` alone is known.
    pub up_block_types: Vec<String>,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// Groups of the norms.
    pub norm_num_groups: usize,
    /// The latents are multiplied by this for the U-Net.
    pub scaling_factor: f64,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            block_out_channels: vec![64],
            layers_per_block: 1,
            down_block_types: vec!["DownEncoderBlock2D".to_owned()],
            up_block_types: vec!["UpDecoderBlock2D".to_owned()],
            ..Self::sd15()
        }
    }
}

/// Settings of `AutoencoderTiny`. Fields that a file leaves out have diffusers' defaults.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct TaesdConfig {
    /// Channels of a picture.
    pub in_channels: usize,
    /// Channels of a picture.
    pub out_channels: usize,
    /// Channels of each stage, from the picture in; all the same.
    pub encoder_block_out_channels: Vec<usize>,
    /// Channels of each stage, from the latents out; all the same.
    pub decoder_block_out_channels: Vec<usize>,
    /// Blocks of each stage, from the picture in.
    pub num_encoder_blocks: Vec<usize>,
    /// Blocks of each stage, from the latents out.
    pub num_decoder_blocks: Vec<usize>,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// The latents are multiplied by this for the U-Net.
    pub scaling_factor: f64,
    /// The innermost blocks have a norm of their own, as TAEF2's
    /// (<https://github.com/madebyollin/taesd/blob/main/taesd.py>); diffusers has no setting for it.
    pub use_midblock_gn: bool,
}

impl Default for TaesdConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            encoder_block_out_channels: vec![64; 4],
            decoder_block_out_channels: vec![64; 4],
            num_encoder_blocks: vec![1, 3, 3, 3],
            num_decoder_blocks: vec![3, 3, 3, 1],
            latent_channels: 4,
            scaling_factor: 1.0,
            use_midblock_gn: false,
        }
    }
}

impl AutoencoderConfig {
    /// Reads a config.json of either class; `place` is named in errors.
    ///
    /// # Errors
    /// When it is not one, or asks for something that is not done here.
    pub fn from_json(place: &str, json: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Class {
            #[serde(rename = "_class_name")]
            name: Option<String>,
        }
        let class: Class = serde_json::from_str(json)
            .map_err(|error| file::refusal(place, format!("this is not a config: {error}")))?;
        match class.name.as_deref() {
            None | Some("AutoencoderKL") => VaeConfig::from_json(place, json).map(Self::Kl),
            Some("AutoencoderTiny") => TaesdConfig::from_json(place, json).map(Self::Tiny),
            Some(other) => Err(file::refusal(
                place,
                format!(
                    "an autoencoder of class {other:?}; AutoencoderKL and AutoencoderTiny run here"
                ),
            )),
        }
    }

    /// Stable Diffusion 1.5's.
    pub fn sd15() -> Self {
        Self::Kl(VaeConfig::sd15())
    }

    /// Channels of the latents.
    pub fn latent_channels(&self) -> usize {
        match self {
            Self::Kl(config) => config.latent_channels,
            Self::Tiny(config) => config.latent_channels,
        }
    }

    /// How many pixels of a picture stand side by side behind one pixel of the latents.
    pub fn reduction(&self) -> usize {
        let stages = match self {
            Self::Kl(config) => config.block_out_channels.len(),
            Self::Tiny(config) => config.num_decoder_blocks.len(),
        };
        1 << (stages - 1)
    }
}

impl VaeConfig {
    /// Stable Diffusion 1.5's.
    pub fn sd15() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            block_out_channels: vec![128, 256, 512, 512],
            layers_per_block: 2,
            down_block_types: vec!["DownEncoderBlock2D".to_owned(); 4],
            up_block_types: vec!["UpDecoderBlock2D".to_owned(); 4],
            latent_channels: 4,
            norm_num_groups: 32,
            scaling_factor: 0.18215,
        }
    }

    /// The same topology, narrow: for tests.
    pub fn tiny() -> Self {
        Self {
            block_out_channels: vec![16, 24, 32, 32],
            norm_num_groups: 8,
            ..Self::sd15()
        }
    }

    /// Reads a config.json; `place` is named in errors.
    ///
    /// # Errors
    /// When it is not one, or asks for something that is not done here.
    pub fn from_json(place: &str, json: &str) -> Result<Self> {
        let config: Self = file::read(place, json, &vae_neutral())?;
        let groups = config.norm_num_groups;
        let channels = &config.block_out_channels;
        let fits = |channels: &usize| groups > 0 && channels.is_multiple_of(groups);
        if channels.is_empty() || !channels.iter().all(fits) {
            let problem = format!("channels {channels:?} do not divide into {groups} groups");
            return Err(file::refusal(place, problem));
        }
        for (key, types, only) in [
            (
                "down_block_types",
                &config.down_block_types,
                "DownEncoderBlock2D",
            ),
            ("up_block_types", &config.up_block_types, "UpDecoderBlock2D"),
        ] {
            if types.len() != channels.len() || types.iter().any(|name| name != only) {
                return Err(file::unsupported(place, key, &json!(types)));
            }
        }
        Ok(config)
    }
}

impl TaesdConfig {
    /// The published topology, narrow: for tests.
    pub fn tiny() -> Self {
        Self {
            encoder_block_out_channels: vec![16; 4],
            decoder_block_out_channels: vec![16; 4],
            ..Self::default()
        }
    }

    /// TAEF2's: 32 latent channels, and norms in the innermost blocks.
    pub fn taef2() -> Self {
        Self {
            latent_channels: 32,
            use_midblock_gn: true,
            ..Self::default()
        }
    }

    /// Reads a config.json; `place` is named in errors.
    ///
    /// # Errors
    /// When it is not one, or asks for something that is not done here.
    pub fn from_json(place: &str, json: &str) -> Result<Self> {
        let config: Self = file::read(place, json, &taesd_neutral())?;
        for (key, channels, blocks) in [
            (
                "encoder_block_out_channels",
                &config.encoder_block_out_channels,
                &config.num_encoder_blocks,
            ),
            (
                "decoder_block_out_channels",
                &config.decoder_block_out_channels,
                &config.num_decoder_blocks,
            ),
        ] {
            let same = channels.windows(2).all(|pair| pair[0] == pair[1]);
            if channels.is_empty() || !same || channels.len() != blocks.len() {
                return Err(file::unsupported(place, key, &json!(channels)));
            }
        }
        Ok(config)
    }
}

/// Settings whose other values are not done here, or which change nothing when an autoencoder is only run.
fn vae_neutral() -> [(&'static str, Value); 7] {
    [
        ("act_fn", json!("silu")),
        // Norms and sums are in f32 whatever the device stores.
        ("force_upcast", Value::Null),
        ("mid_block_add_attention", json!(true)),
        ("sample_size", Value::Null),
        ("shift_factor", json!(0)),
        ("use_post_quant_conv", json!(true)),
        ("use_quant_conv", json!(true)),
    ]
}

/// The same for the small autoencoder.
fn taesd_neutral() -> [(&'static str, Value); 8] {
    [
        ("act_fn", json!("relu")),
        // A copy of the decoder's channels.
        ("block_out_channels", Value::Null),
        ("force_upcast", Value::Null),
        // Only describe how latents are stored as pictures.
        ("latent_magnitude", Value::Null),
        ("latent_shift", Value::Null),
        ("shift_factor", json!(0)),
        ("upsample_fn", json!("nearest")),
        ("upsampling_scaling_factor", json!(2)),
    ]
}
