//! The residual block of the U-Net and of the autoencoder.

use super::layers::{Conv3x3, GroupNorm, Linear, Scope};
use crate::{error::Result, tensor::Tensor};

/// Two convolutions beside a skip; the U-Net's adds a projection of the timestep between them.
pub struct Resnet {
    norm1: GroupNorm,
    conv1: Conv3x3,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv3x3,
    conv_shortcut: Option<Linear>,
}

/// What the residual blocks of a network have in common.
#[derive(Clone, Copy)]
pub struct ResnetSettings {
    /// Features of the timestep's embedding, if the network has one.
    pub time_channels: Option<usize>,
    /// Groups of the norms.
    pub groups: usize,
    /// Added to the norms' variance.
    pub eps: f64,
}

impl Resnet {
    /// From `inputs` to `outputs` channels.
    pub fn new(
        mut scope: Scope<'_>,
        inputs: usize,
        outputs: usize,
        settings: ResnetSettings,
    ) -> Result<Self> {
        let ResnetSettings {
            time_channels,
            groups,
            eps,
        } = settings;
        Ok(Self {
            norm1: GroupNorm::new(scope.at("norm1"), inputs, groups, eps)?,
            conv1: Conv3x3::new(scope.at("conv1"), inputs, outputs)?,
            time_emb_proj: time_channels
                .map(|channels| Linear::new(scope.at("time_emb_proj"), channels, outputs))
                .transpose()?,
            norm2: GroupNorm::new(scope.at("norm2"), outputs, groups, eps)?,
            conv2: Conv3x3::new(scope.at("conv2"), outputs, outputs)?,
            conv_shortcut: (inputs != outputs)
                .then(|| Linear::new(scope.at("conv_shortcut"), inputs, outputs))
                .transpose()?,
        })
    }

    /// Everything up to `conv2`, before the skip is added.
    ///
    /// # Shapes
    /// - `x`: `[B, h, w, inputs]`
    /// - `time`: `[B, time_channels]`, `SiLU` already applied; given if and only if the network has timesteps
    /// - returns `[B, h, w, outputs]`
    pub fn branch(&self, x: &Tensor, time: Option<&Tensor>) -> Tensor {
        let mut h = self.conv1.forward(&self.norm1.forward(x).silu());
        if let Some(projection) = &self.time_emb_proj {
            let time = time.expect("a U-Net hands each residual block its timestep");
            let [batch, ..] = time.dims::<2>();
            let row = projection.forward(time);
            h = h.add(&row.reshape([batch, 1, 1, row.shape().last()]));
        }
        self.conv2.forward(&self.norm2.forward(&h).silu())
    }

    /// Adds the skip to what [`Resnet::branch`] made of `x`.
    pub fn join(&self, x: &Tensor, branch: &Tensor) -> Tensor {
        let joined = match &self.conv_shortcut {
            Some(shortcut) => branch.add(&shortcut.forward(x)),
            None => branch.add(x),
        };
        joined.milestone();
        joined
    }

    /// The whole block, for networks without timesteps.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.join(x, &self.branch(x, None))
    }
}
