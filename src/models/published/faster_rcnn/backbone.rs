//! The maps that everything is read from: a residual network, and a pyramid of its stages from the coarsest down.

use super::FasterRcnnConfig;
use crate::{
    error::Result,
    models::{
        layers::Scope,
        published::conv_norm::{ConvNorm, Sizes, strided},
    },
    tensor::{Conv, Interpolation, Pooling, Tensor},
};

const EPS: f64 = 1e-5;
/// A block's last convolution has so many times the channels of its others.
const EXPANSION: usize = 4;

/// A block of three convolutions beside a skip; the middle one has the stride.
struct Block {
    convs: [ConvNorm; 3],
    downsample: Option<ConvNorm>,
}

impl Block {
    fn new(mut scope: Scope<'_>, inputs: usize, planes: usize, stride: usize) -> Result<Self> {
        let outputs = EXPANSION * planes;
        let mut conv = |at: usize, sizes: Sizes, conv: Conv| {
            let names = [format!("conv{at}"), format!("bn{at}")];
            let names = [&names[0][..], &names[1][..]];
            ConvNorm::new(&mut scope, names, sizes, conv, EPS)
        };
        let convs = [
            conv(1, Sizes(inputs, planes, [1, 1]), Conv::padded(0))?,
            conv(2, Sizes(planes, planes, [3, 3]), strided(stride, 1))?,
            conv(3, Sizes(planes, outputs, [1, 1]), Conv::padded(0))?,
        ];
        let names = ["downsample.0", "downsample.1"];
        let sizes = Sizes(inputs, outputs, [1, 1]);
        let downsample = (stride > 1 || inputs != outputs)
            .then(|| ConvNorm::new(&mut scope, names, sizes, strided(stride, 0), EPS))
            .transpose()?;
        Ok(Self { convs, downsample })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let [first, second, third] = &self.convs;
        let inner = second.forward(&first.forward(x).relu()).relu();
        let beside = match &self.downsample {
            Some(downsample) => downsample.forward(x),
            None => x.clone(),
        };
        third.forward(&inner).add(&beside).relu()
    }
}

/// The residual network and the pyramid.
pub struct Backbone {
    stem: ConvNorm,
    stages: Vec<Vec<Block>>,
    inner: Vec<ConvNorm>,
    layer: Vec<ConvNorm>,
}

impl Backbone {
    pub fn new(mut scope: Scope<'_>, config: &FasterRcnnConfig) -> Result<Self> {
        let mut body = scope.at("body");
        let sizes = Sizes(3, config.width, [7, 7]);
        let stem = ConvNorm::new(&mut body, ["conv1", "bn1"], sizes, strided(2, 3), EPS)?;
        let mut inputs = config.width;
        let mut stages = Vec::new();
        let mut channels = Vec::new();
        for (stage, &count) in config.layers.iter().enumerate() {
            let planes = config.width << stage;
            let mut blocks = Vec::new();
            for at in 0..count {
                let stride = if stage > 0 && at == 0 { 2 } else { 1 };
                let name = body.at(format!("layer{}.{at}", stage + 1));
                blocks.push(Block::new(name, inputs, planes, stride)?);
                inputs = EXPANSION * planes;
            }
            stages.push(blocks);
            channels.push(inputs);
        }
        let mut pyramid = scope.at("fpn");
        let mut convs = |part: &str, inputs: &[usize], kernel: usize| {
            let conv = |(at, &inputs): (usize, &usize)| {
                let names = [format!("{part}.{at}.0"), format!("{part}.{at}.1")];
                let names = [&names[0][..], &names[1][..]];
                let sizes = Sizes(inputs, config.channels, [kernel; 2]);
                let around = Conv::padded(kernel / 2);
                ConvNorm::new(&mut pyramid, names, sizes, around, EPS)
            };
            inputs.iter().enumerate().map(conv).collect::<Result<_>>()
        };
        Ok(Self {
            stem,
            inner: convs("inner_blocks", &channels, 1)?,
            layer: convs("layer_blocks", &vec![config.channels; channels.len()], 3)?,
            stages,
        })
    }

    /// `[B, H, W, 3]` to five maps of a quarter of its sides and less, the finest first.
    pub fn forward(&self, image: &Tensor) -> Vec<Tensor> {
        let x = self.stem.forward(image).relu();
        let mut x = x.pool(Pooling::Max, [3, 3], [2, 2], [1; 4]);
        let mut maps = Vec::new();
        for (blocks, inner) in self.stages.iter().zip(&self.inner) {
            for block in blocks {
                x.milestone();
                x = block.forward(&x);
            }
            maps.push(inner.forward(&x));
        }
        for at in (0..maps.len() - 1).rev() {
            let [_, h, w, _] = maps[at].dims();
            let coarse = maps[at + 1].resize([h, w], Interpolation::Nearest, false);
            maps[at] = maps[at].add(&coarse);
        }
        let layers = maps.iter().zip(&self.layer);
        let mut maps: Vec<_> = layers.map(|(map, layer)| layer.forward(map)).collect();
        if let Some(last) = maps.last() {
            let [_, h, w, _] = last.dims();
            let every_other = last.slice_by(1, 0..h, 2).slice_by(2, 0..w, 2);
            maps.push(every_other);
        }
        for map in &maps {
            map.milestone();
        }
        maps
    }
}
