//! `AutoencoderTiny`: the small autoencoder (TAESD, <https://github.com/madebyollin/taesd>).

use super::{
    Parameters,
    config::TaesdConfig,
    layers::{Conv3x3, GroupNorm, Linear, Scope},
};
use crate::{
    error::Result,
    tensor::{Conv, Interpolation, Tensor, Unary},
};

/// The decoder squeezes latents softly into +- this before it looks at them.
const LATENT_MAGNITUDE: f64 = 3.0;
/// Settings of the innermost blocks' norm
/// (<https://github.com/madebyollin/taesd/blob/main/taesd.py>): it is this many times as wide as the block,
const POOL_FACTOR: usize = 4;
/// is in this many groups
const POOL_GROUPS: usize = 4;
/// and has PyTorch's default eps.
const POOL_EPS: f64 = 1e-5;

/// Three convolutions beside a skip.
struct Block {
    pool: Option<Pool>,
    convs: [Conv3x3; 3],
}

/// A norm over the whole picture, beside a skip.
struct Pool {
    widen: Linear,
    norm: GroupNorm,
    narrow: Linear,
}

impl Block {
    fn new(mut scope: Scope<'_>, channels: usize, pooled: bool) -> Result<Self> {
        let mut conv = |name| Conv3x3::new(scope.at(name), channels, channels);
        let convs = [conv("conv.0")?, conv("conv.2")?, conv("conv.4")?];
        let pool = pooled
            .then(|| Pool::new(scope.at("pool"), channels))
            .transpose()?;
        Ok(Self { pool, convs })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let x = match &self.pool {
            Some(pool) => &pool.forward(x).add(x),
            None => x,
        };
        let [first, second, third] = &self.convs;
        let h = first.forward(x).relu();
        let h = second.forward(&h).relu();
        let joined = third.forward(&h).add(x).relu();
        joined.milestone();
        joined
    }
}

impl Pool {
    fn new(mut scope: Scope<'_>, channels: usize) -> Result<Self> {
        let inner = POOL_FACTOR * channels;
        Ok(Self {
            widen: Linear::unbiased(scope.at("0"), channels, inner)?,
            norm: GroupNorm::new(scope.at("1"), inner, POOL_GROUPS, POOL_EPS)?,
            narrow: Linear::unbiased(scope.at("3"), inner, channels)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let normed = self.norm.forward(&self.widen.forward(x));
        self.narrow.forward(&normed.relu())
    }
}

/// A layer of the encoder or decoder, as its list in the checkpoint has them.
enum Layer {
    Conv(Box<Conv3x3>),
    Block(Box<Block>),
    Relu,
    Enlarge,
}

impl Layer {
    fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Block(block) => block.forward(x),
            Self::Relu => x.relu(),
            Self::Enlarge => {
                let [_, h, w, _] = x.dims();
                x.resize([2 * h, 2 * w], Interpolation::Nearest, false)
            }
        }
    }
}

/// `AutoencoderTiny`
pub struct Taesd {
    config: TaesdConfig,
    encoder: Vec<Layer>,
    decoder: Vec<Layer>,
}

impl Taesd {
    /// Builds the autoencoder of this config.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(config: &TaesdConfig, parameters: &mut dyn Parameters) -> Result<Self> {
        let mut scope = Scope::root(parameters);
        Ok(Self {
            config: config.clone(),
            encoder: encoder(scope.at("encoder.layers"), config)?,
            decoder: decoder(scope.at("decoder.layers"), config)?,
        })
    }

    /// What it was built from.
    pub fn config(&self) -> &TaesdConfig {
        &self.config
    }

    /// A picture's latents, before they are scaled for the U-Net.
    ///
    /// # Shapes
    /// - `image`: `[B, H, W, 3]` in [-1, 1]
    /// - returns `[B, h, w, latent_channels]`
    pub fn encode(&self, image: &Tensor) -> Tensor {
        run(&self.encoder, image.affine(0.5, 0.5))
    }

    /// The picture behind latents that are no longer scaled for the U-Net.
    ///
    /// # Shapes
    /// - `latents`: `[B, h, w, latent_channels]`
    /// - returns `[B, H, W, 3]`, about in [-1, 1]
    pub fn decode(&self, latents: &Tensor) -> Tensor {
        let squeezed = latents
            .affine(LATENT_MAGNITUDE.recip(), 0.0)
            .unary(Unary::Tanh)
            .affine(LATENT_MAGNITUDE, 0.0);
        run(&self.decoder, squeezed).affine(2.0, -1.0)
    }
}

fn run(layers: &[Layer], x: Tensor) -> Tensor {
    layers.iter().fold(x, |x, layer| layer.forward(&x))
}

fn encoder(mut scope: Scope<'_>, config: &TaesdConfig) -> Result<Vec<Layer>> {
    let halving = Conv {
        stride: [2, 2],
        ..Conv::padded(1)
    };
    let channels = config.encoder_block_out_channels[0];
    let stages = config.num_encoder_blocks.len();
    let mut layers = Vec::new();
    for (stage, &count) in config.num_encoder_blocks.iter().enumerate() {
        let name = scope.at(layers.len().to_string());
        let conv = if stage == 0 {
            Conv3x3::new(name, config.in_channels, channels)?
        } else {
            Conv3x3::shaped(name, channels, channels, halving, false)?
        };
        layers.push(Layer::Conv(Box::new(conv)));
        for _ in 0..count {
            let pooled = config.use_midblock_gn && stage + 1 == stages;
            let name = scope.at(layers.len().to_string());
            let block = Block::new(name, channels, pooled)?;
            layers.push(Layer::Block(Box::new(block)));
        }
    }
    let name = scope.at(layers.len().to_string());
    let last = Conv3x3::new(name, channels, config.latent_channels)?;
    layers.push(Layer::Conv(Box::new(last)));
    Ok(layers)
}

fn decoder(mut scope: Scope<'_>, config: &TaesdConfig) -> Result<Vec<Layer>> {
    let channels = config.decoder_block_out_channels[0];
    let stages = config.num_decoder_blocks.len();
    let first = Conv3x3::new(scope.at("0"), config.latent_channels, channels)?;
    let mut layers = vec![Layer::Conv(Box::new(first)), Layer::Relu];
    for (stage, &count) in config.num_decoder_blocks.iter().enumerate() {
        for _ in 0..count {
            let pooled = config.use_midblock_gn && stage == 0;
            let name = scope.at(layers.len().to_string());
            let block = Block::new(name, channels, pooled)?;
            layers.push(Layer::Block(Box::new(block)));
        }
        if stage + 1 < stages {
            layers.push(Layer::Enlarge);
            let name = scope.at(layers.len().to_string());
            let conv = Conv3x3::shaped(name, channels, channels, Conv::padded(1), false)?;
            layers.push(Layer::Conv(Box::new(conv)));
        }
    }
    let name = scope.at(layers.len().to_string());
    let last = Conv3x3::new(name, channels, config.out_channels)?;
    layers.push(Layer::Conv(Box::new(last)));
    Ok(layers)
}
