//! The blocks of the U-Net.

use super::{
    tap::{Block, Part, Site, Tap},
    transformer::{Transformer, TransformerSettings},
};
use crate::{
    error::Result,
    models::{
        layers::{Conv3x3, Scope, Upsample},
        resnet::{Resnet, ResnetSettings},
    },
    tensor::{Conv, Tensor},
};

/// What every block is told besides its feature map.
pub struct Inputs<'a> {
    /// The timestep's embedding after `SiLU`, `[B, time_channels]`.
    pub time: &'a Tensor,
    /// The text, `[B, M, context_channels]`.
    pub context: &'a Tensor,
}

/// What all blocks have in common.
#[derive(Clone, Copy)]
pub struct BlockSettings {
    /// Of the residual blocks.
    pub resnet: ResnetSettings,
    /// Of the transformers.
    pub transformer: TransformerSettings,
}

/// Channels of a block, and its heads if it has attention.
#[derive(Clone, Copy)]
pub struct Width {
    /// Channels that come in.
    pub inputs: usize,
    /// Channels that go out.
    pub outputs: usize,
    /// Heads of its attentions, if it has any.
    pub heads: Option<usize>,
}

fn residual(
    resnet: &Resnet,
    x: &Tensor,
    inputs: &Inputs<'_>,
    (block, layer): (Block, usize),
    tap: &mut dyn Tap,
) -> Tensor {
    let part = Part::Resnet;
    let branch = resnet.branch(x, Some(inputs.time));
    let branch = tap.hidden(Site { block, layer, part }, branch);
    resnet.join(x, &branch)
}

/// The layers of a block below one another: a residual block, then a transformer if there are any.
struct Layers {
    resnets: Vec<Resnet>,
    attentions: Vec<Transformer>,
}

impl Layers {
    /// One layer for each number of input channels.
    fn new(
        scope: &mut Scope<'_>,
        inputs: &[usize],
        width: Width,
        settings: BlockSettings,
    ) -> Result<Self> {
        let mut resnets = Vec::new();
        let mut attentions = Vec::new();
        for (layer, &channels) in inputs.iter().enumerate() {
            let name = scope.at(format!("resnets.{layer}"));
            resnets.push(Resnet::new(name, channels, width.outputs, settings.resnet)?);
        }
        for layer in 0..inputs.len() {
            if let Some(heads) = width.heads {
                let name = scope.at(format!("attentions.{layer}"));
                let attention = Transformer::new(name, width.outputs, heads, settings.transformer)?;
                attentions.push(attention);
            }
        }
        Ok(Self {
            resnets,
            attentions,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        inputs: &Inputs<'_>,
        (block, layer): (Block, usize),
        tap: &mut dyn Tap,
    ) -> Tensor {
        let h = residual(&self.resnets[layer], x, inputs, (block, layer), tap);
        match self.attentions.get(layer) {
            Some(attention) => attention.forward(&h, inputs.context, block, layer, tap),
            None => h,
        }
    }
}

/// `down_blocks.N`
pub struct DownBlock {
    layers: Layers,
    downsampler: Option<Conv3x3>,
}

impl DownBlock {
    /// `count` layers; all but the last block halve the size.
    pub fn new(
        mut scope: Scope<'_>,
        count: usize,
        width: Width,
        settings: BlockSettings,
        last: bool,
    ) -> Result<Self> {
        let mut inputs = vec![width.outputs; count];
        inputs[0] = width.inputs;
        let layers = Layers::new(&mut scope, &inputs, width, settings)?;
        let halving = Conv {
            stride: [2, 2],
            ..Conv::padded(1)
        };
        let downsampler = (!last)
            .then(|| {
                let name = scope.at("downsamplers.0.conv");
                Conv3x3::shaped(name, width.outputs, width.outputs, halving, true)
            })
            .transpose()?;
        Ok(Self {
            layers,
            downsampler,
        })
    }

    /// Leaves what each layer made in `skips`.
    pub fn forward(
        &self,
        x: Tensor,
        inputs: &Inputs<'_>,
        block: Block,
        tap: &mut dyn Tap,
        skips: &mut Vec<Tensor>,
    ) -> Tensor {
        let mut h = x;
        for layer in 0..self.layers.resnets.len() {
            h = self.layers.forward(&h, inputs, (block, layer), tap);
            skips.push(h.clone());
        }
        if let Some(downsampler) = &self.downsampler {
            h = downsampler.forward(&h);
            h.milestone();
            skips.push(h.clone());
        }
        tap.block(block, h)
    }
}

/// `mid_block`: a transformer between two residual blocks.
pub struct MidBlock {
    resnets: [Resnet; 2],
    attention: Transformer,
}

impl MidBlock {
    /// Of `channels`, in `heads`.
    pub fn new(
        mut scope: Scope<'_>,
        channels: usize,
        heads: usize,
        settings: BlockSettings,
    ) -> Result<Self> {
        let attention = scope.at("attentions.0");
        let attention = Transformer::new(attention, channels, heads, settings.transformer)?;
        let mut resnet = |name| Resnet::new(scope.at(name), channels, channels, settings.resnet);
        Ok(Self {
            resnets: [resnet("resnets.0")?, resnet("resnets.1")?],
            attention,
        })
    }

    /// `[B, h, w, C]` to the same.
    pub fn forward(&self, x: &Tensor, inputs: &Inputs<'_>, tap: &mut dyn Tap) -> Tensor {
        let block = Block::Mid;
        let h = residual(&self.resnets[0], x, inputs, (block, 0), tap);
        let h = self.attention.forward(&h, inputs.context, block, 0, tap);
        let h = residual(&self.resnets[1], &h, inputs, (block, 1), tap);
        tap.block(block, h)
    }
}

/// `up_blocks.N`
pub struct UpBlock {
    layers: Layers,
    upsampler: Option<Upsample>,
}

impl UpBlock {
    /// One layer for each of the `skips` (their channels, in the order they are used).
    pub fn new(
        mut scope: Scope<'_>,
        skips: &[usize],
        width: Width,
        settings: BlockSettings,
        last: bool,
    ) -> Result<Self> {
        let mut inputs = vec![width.outputs; skips.len()];
        inputs[0] = width.inputs;
        for (input, skip) in inputs.iter_mut().zip(skips) {
            *input += skip;
        }
        let layers = Layers::new(&mut scope, &inputs, width, settings)?;
        let upsampler = (!last)
            .then(|| Upsample::new(scope.at("upsamplers.0"), width.outputs))
            .transpose()?;
        Ok(Self { layers, upsampler })
    }

    /// Takes as many from the end of `skips` as it has layers, and grows to the size of the next one.
    pub fn forward(
        &self,
        x: Tensor,
        inputs: &Inputs<'_>,
        block: Block,
        tap: &mut dyn Tap,
        skips: &mut Vec<Tensor>,
    ) -> Tensor {
        let mut h = x;
        for layer in 0..self.layers.resnets.len() {
            let skip = skips
                .pop()
                .expect("the way down leaves a skip for each layer of the way up");
            let part = Part::Resnet;
            let (backbone, skip) = tap.join(Site { block, layer, part }, h, skip);
            let joined = Tensor::concat(&[&backbone, &skip], 3);
            h = self.layers.forward(&joined, inputs, (block, layer), tap);
        }
        if let Some(upsampler) = &self.upsampler {
            // Not simply twice the size: an odd size was rounded up on the way down.
            let next = skips
                .last()
                .expect("the last block alone uses up the skips, and it does not grow");
            let [_, h_next, w_next, _] = next.dims();
            h = upsampler.forward(&h, [h_next, w_next]);
            h.milestone();
        }
        tap.block(block, h)
    }
}
