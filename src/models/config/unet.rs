//! Settings of the U-Net.

use serde::Deserialize;
use serde_json::{Value, json};

use super::file;
use crate::error::Result;

/// One number for all blocks, or one for each.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum PerBlock {
    /// The same everywhere.
    Same(usize),
    /// One for each block of the way down.
    Each(Vec<usize>),
}

/// Settings of the U-Net. Fields that a file leaves out have diffusers' defaults.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct UnetConfig {
    /// Channels of the latents.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// Height and width of the latents it was trained on.
    pub sample_size: Option<usize>,
    /// Channels of each block, from the outermost in.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks in each block of the way down; the way up has one more.
    pub layers_per_block: usize,
    /// `CrossAttnDownBlock2D` or `DownBlock2D`, from the outermost in.
    pub down_block_types: Vec<String>,
    /// `CrossAttnUpBlock2D` or `UpBlock2D`, from the innermost out.
    pub up_block_types: Vec<String>,
    /// Features of a text token.
    pub cross_attention_dim: usize,
    /// How many heads, against its name
    /// (<https://github.com/huggingface/diffusers/blob/v0.31.0/src/diffusers/models/unets/unet_2d_condition.py#L234>).
    pub attention_head_dim: PerBlock,
    /// Groups of the norms.
    pub norm_num_groups: usize,
    /// Added to the norms' variance.
    pub norm_eps: f64,
    /// The timestep's embedding has its cosines first.
    pub flip_sin_to_cos: bool,
    /// Subtracted from the number of the embedding's frequencies.
    pub freq_shift: f64,
}

impl Default for UnetConfig {
    fn default() -> Self {
        Self {
            block_out_channels: vec![320, 640, 1280, 1280],
            cross_attention_dim: 1280,
            sample_size: None,
            ..Self::sd15()
        }
    }
}

impl UnetConfig {
    /// Stable Diffusion 1.5's.
    pub fn sd15() -> Self {
        let names = |names: [&str; 4]| names.map(str::to_owned).to_vec();
        let [plain, cross] = ["DownBlock2D", "CrossAttnDownBlock2D"];
        let [plain_up, cross_up] = ["UpBlock2D", "CrossAttnUpBlock2D"];
        Self {
            in_channels: 4,
            out_channels: 4,
            sample_size: Some(64),
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: 2,
            down_block_types: names([cross, cross, cross, plain]),
            up_block_types: names([plain_up, cross_up, cross_up, cross_up]),
            cross_attention_dim: 768,
            attention_head_dim: PerBlock::Same(8),
            norm_num_groups: 32,
            norm_eps: 1e-5,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
        }
    }

    /// The same topology, narrow: for tests.
    pub fn tiny() -> Self {
        Self {
            sample_size: Some(16),
            block_out_channels: vec![16, 32, 48, 48],
            cross_attention_dim: 32,
            attention_head_dim: PerBlock::Same(4),
            norm_num_groups: 8,
            ..Self::sd15()
        }
    }

    /// Reads a config.json; `place` is named in errors.
    ///
    /// # Errors
    /// When it is not one, or asks for something that is not done here.
    pub fn from_json(place: &str, json: &str) -> Result<Self> {
        let config: Self = file::read(place, json, &neutral())?;
        config.check(place)?;
        Ok(config)
    }

    fn check(&self, place: &str) -> Result<()> {
        let count = self.block_out_channels.len();
        let known = |types: &[String], names: [&str; 2]| {
            types.len() == count && types.iter().all(|name| names.contains(&name.as_str()))
        };
        if count == 0 || self.layers_per_block == 0 {
            return Err(file::refusal(place, "a U-Net without layers".to_owned()));
        }
        if !known(
            &self.down_block_types,
            ["CrossAttnDownBlock2D", "DownBlock2D"],
        ) {
            let value = json!(self.down_block_types);
            return Err(file::unsupported(place, "down_block_types", &value));
        }
        if !known(&self.up_block_types, ["CrossAttnUpBlock2D", "UpBlock2D"]) {
            let value = json!(self.up_block_types);
            return Err(file::unsupported(place, "up_block_types", &value));
        }
        if let PerBlock::Each(heads) = &self.attention_head_dim
            && heads.len() != count
        {
            let value = json!(heads);
            return Err(file::unsupported(place, "attention_head_dim", &value));
        }
        for (block, channels) in self.block_out_channels.iter().enumerate() {
            for (count, what) in [
                (self.heads(block), "heads"),
                (self.norm_num_groups, "groups"),
            ] {
                if count == 0 || channels % count != 0 {
                    let problem = format!("{channels} channels do not divide into {count} {what}");
                    return Err(file::refusal(place, problem));
                }
            }
        }
        Ok(())
    }

    /// Heads of a block of the way down.
    pub(in crate::models) fn heads(&self, block: usize) -> usize {
        match &self.attention_head_dim {
            PerBlock::Same(heads) => *heads,
            PerBlock::Each(heads) => heads[block],
        }
    }

    /// Heads of a block of the way down, if it has attention.
    pub(in crate::models) fn down_heads(&self, block: usize) -> Option<usize> {
        self.down_block_types[block]
            .starts_with("CrossAttn")
            .then(|| self.heads(block))
    }

    /// Heads of a block of the way up, if it has attention.
    pub(in crate::models) fn up_heads(&self, block: usize) -> Option<usize> {
        self.up_block_types[block]
            .starts_with("CrossAttn")
            .then(|| self.heads(self.block_out_channels.len() - 1 - block))
    }
}

/// Settings whose other values are not done here, or which change nothing when a network is only run.
fn neutral() -> [(&'static str, Value); 18] {
    [
        ("act_fn", json!("silu")),
        // Only used together with settings that must be null.
        ("addition_embed_type_num_heads", Value::Null),
        ("attention_type", json!("default")),
        ("conv_in_kernel", json!(3)),
        ("conv_out_kernel", json!(3)),
        ("downsample_padding", json!(1)),
        ("dropout", Value::Null),
        ("mid_block_scale_factor", json!(1)),
        ("mid_block_type", json!("UNetMidBlock2DCrossAttn")),
        ("num_attention_heads", Value::Null),
        ("resnet_out_scale_factor", json!(1)),
        ("resnet_time_scale_shift", json!("default")),
        ("time_embedding_type", json!("positional")),
        ("transformer_layers_per_block", json!(1)),
        // Softmax always sums in f32 here.
        ("upcast_attention", Value::Null),
        // A linear layer and a 1x1 convolution are the same here.
        ("use_linear_projection", Value::Null),
        ("num_train_timesteps", Value::Null),
        ("scaling_factor", Value::Null),
    ]
}
