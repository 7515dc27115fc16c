//! CLIP's image encoder as a residual network (Radford et al. 2021, section 2.4), under the names of `OpenAI`'s own files.
//!
//! It differs from others of its kind: three convolutions before the first pooling, a mean over 2x2 pixels in place of each
//! stride, and attention in place of the last mean: the mean asks, and all places and itself are seen.

use super::{
    Encoder,
    conv_norm::{ConvNorm, Sizes, strided},
};
use crate::{
    error::Result,
    models::{
        Kind, Parameters,
        layers::{Linear, Scope},
    },
    tensor::{Conv, Pooling, Tensor},
};

const EPS: f64 = 1e-5;
/// A block's last convolution has so many times the channels of its others.
const EXPANSION: usize = 4;
/// How many times smaller the last map is than the picture.
const SHRINK: usize = 32;

/// Its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipResnetConfig {
    /// Blocks of each stage.
    pub layers: [usize; 4],
    /// Channels behind the first pooling.
    pub width: usize,
    /// Heads of the last attention.
    pub heads: usize,
    /// Pixels along each side of a picture.
    pub image_size: usize,
    /// Numbers of an embedding.
    pub embedding: usize,
}

impl ClipResnetConfig {
    /// RN50.
    pub fn rn50() -> Self {
        Self {
            layers: [3, 4, 6, 3],
            width: 64,
            heads: 32,
            image_size: 224,
            embedding: 1024,
        }
    }

    /// The same topology, narrow: for tests.
    pub fn tiny() -> Self {
        Self {
            layers: [2, 1, 1, 1],
            width: 4,
            heads: 4,
            image_size: 64,
            embedding: 12,
        }
    }
}

struct Block {
    convs: [ConvNorm; 3],
    stride: usize,
    downsample: Option<ConvNorm>,
}

impl Block {
    fn new(mut scope: Scope<'_>, inputs: usize, planes: usize, stride: usize) -> Result<Self> {
        let outputs = EXPANSION * planes;
        let mut conv = |at: usize, sizes: Sizes, pad| {
            let names = [format!("conv{at}"), format!("bn{at}")];
            let names = [&names[0][..], &names[1][..]];
            ConvNorm::new(&mut scope, names, sizes, Conv::padded(pad), EPS)
        };
        let convs = [
            conv(1, Sizes(inputs, planes, [1, 1]), 0)?,
            conv(2, Sizes(planes, planes, [3, 3]), 1)?,
            conv(3, Sizes(planes, outputs, [1, 1]), 0)?,
        ];
        let names = ["downsample.0", "downsample.1"];
        let sizes = Sizes(inputs, outputs, [1, 1]);
        let downsample = (stride > 1 || inputs != outputs)
            .then(|| ConvNorm::new(&mut scope, names, sizes, Conv::padded(0), EPS))
            .transpose()?;
        Ok(Self {
            convs,
            stride,
            downsample,
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let [first, second, third] = &self.convs;
        let inner = second.forward(&first.forward(x).relu()).relu();
        let inner = third.forward(&halved(&inner, self.stride));
        let beside = match &self.downsample {
            Some(downsample) => downsample.forward(&halved(x, self.stride)),
            None => x.clone(),
        };
        inner.add(&beside).relu()
    }
}

/// The mean over windows of this side.
fn halved(x: &Tensor, side: usize) -> Tensor {
    if side == 1 {
        return x.clone();
    }
    x.pool(Pooling::Mean, [side; 2], [side; 2], [0; 4])
}

/// The attention that takes the place of a mean.
struct AttentionPool {
    positional_embedding: Tensor,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    c_proj: Linear,
    heads: usize,
}

impl AttentionPool {
    fn new(mut scope: Scope<'_>, config: &ClipResnetConfig) -> Result<Self> {
        let channels = 8 * EXPANSION * config.width;
        let places = Kind::Table {
            rows: (config.image_size / SHRINK).pow(2) + 1,
            columns: channels,
        };
        Ok(Self {
            positional_embedding: scope.take("positional_embedding", places)?,
            q_proj: Linear::new(scope.at("q_proj"), channels, channels)?,
            k_proj: Linear::new(scope.at("k_proj"), channels, channels)?,
            v_proj: Linear::new(scope.at("v_proj"), channels, channels)?,
            c_proj: Linear::new(scope.at("c_proj"), channels, config.embedding)?,
            heads: config.heads,
        })
    }

    /// `[B, h, w, C]` to `[B, N]`
    fn forward(&self, x: &Tensor) -> Tensor {
        let [batch, h, w, channels] = x.dims();
        let places = x.reshape([batch, h * w, channels]);
        let mean = places.mean(&[1]);
        let tokens = Tensor::concat(&[&mean, &places], 1);
        let known = &self.positional_embedding;
        let tokens = tokens.add(&known.reshape([1, h * w + 1, channels]));
        let q = self.q_proj.forward(&tokens.slice(1, 0..1));
        let [k, v] = [&self.k_proj, &self.v_proj].map(|proj| proj.forward(&tokens));
        let scale = ((channels / self.heads) as f64).sqrt().recip();
        let seen = q.attention(&k, &v, self.heads, scale, false);
        self.c_proj.forward(&seen.reshape([batch, channels]))
    }
}

/// The encoder.
pub struct ClipResnet {
    config: ClipResnetConfig,
    stem: [ConvNorm; 3],
    blocks: Vec<Block>,
    attnpool: AttentionPool,
}

impl ClipResnet {
    /// Builds the encoder of these sizes.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(config: &ClipResnetConfig, parameters: &mut dyn Parameters) -> Result<Self> {
        let mut root = Scope::root(parameters);
        let mut scope = root.at("visual");
        let (width, half) = (config.width, config.width / 2);
        let mut conv = |names, inputs, outputs, conv| {
            let sizes = Sizes(inputs, outputs, [3, 3]);
            ConvNorm::new(&mut scope, names, sizes, conv, EPS)
        };
        let stem = [
            conv(["conv1", "bn1"], 3, half, strided(2, 1))?,
            conv(["conv2", "bn2"], half, half, strided(1, 1))?,
            conv(["conv3", "bn3"], half, width, strided(1, 1))?,
        ];
        let mut blocks = Vec::new();
        let mut inputs = width;
        for (stage, &count) in config.layers.iter().enumerate() {
            let planes = width << stage;
            for at in 0..count {
                let stride = if stage > 0 && at == 0 { 2 } else { 1 };
                let name = scope.at(format!("layer{}.{at}", stage + 1));
                blocks.push(Block::new(name, inputs, planes, stride)?);
                inputs = EXPANSION * planes;
            }
        }
        Ok(Self {
            config: *config,
            stem,
            blocks,
            attnpool: AttentionPool::new(scope.at("attnpool"), config)?,
        })
    }

    /// What it was built from.
    pub fn config(&self) -> &ClipResnetConfig {
        &self.config
    }
}

impl Encoder for ClipResnet {
    fn embed(&self, image: &Tensor) -> Result<Tensor> {
        let mut x = image.clone();
        for conv in &self.stem {
            x = conv.forward(&x).relu();
        }
        x = halved(&x, 2);
        for block in &self.blocks {
            x.milestone();
            x = block.forward(&x);
        }
        Ok(self.attnpool.forward(&x))
    }
}
