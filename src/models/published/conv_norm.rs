//! A convolution and the batch norm behind it, which are one convolution once a network is trained.

use crate::{
    error::Result,
    models::{Kind, layers::Scope},
    tensor::{Conv, Tensor, Unary},
};

/// Channels in, channels out, and the kernel's height and width.
pub struct Sizes(pub usize, pub usize, pub [usize; 2]);

/// Both, as one convolution.
pub struct ConvNorm {
    weight: Tensor,
    shift: Tensor,
    conv: Conv,
}

impl ConvNorm {
    /// From the convolution's parameters below the first name, and the norm's below the second.
    pub fn new(
        scope: &mut Scope<'_>,
        [conv_name, norm_name]: [&str; 2],
        Sizes(inputs, outputs, kernel): Sizes,
        conv: Conv,
        eps: f64,
    ) -> Result<Self> {
        let kind = Kind::Conv {
            outputs,
            inputs: inputs / conv.groups,
            kernel,
        };
        let weight = scope.at(conv_name).take("weight", kind)?;
        let mut norm = scope.at(norm_name);
        let [scale, shift] = folded(&mut norm, outputs, eps)?;
        Ok(Self {
            weight: weight.mul(&scale.reshape([1, 1, 1, outputs])).keep()?,
            shift: shift.keep()?,
            conv,
        })
    }

    /// `[B, h, w, inputs]` to `[B, h', w', outputs]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.conv2d(&self.weight, Some(&self.shift), self.conv)
    }
}

/// What a trained batch norm multiplies by, and what it adds.
pub fn folded(norm: &mut Scope<'_>, channels: usize, eps: f64) -> Result<[Tensor; 2]> {
    let mut vector = |name| norm.take(name, Kind::Vector(channels));
    let [gamma, beta] = [vector("weight")?, vector("bias")?];
    let [mean, variance] = [vector("running_mean")?, vector("running_var")?];
    let scale = gamma.div(&variance.affine(1.0, eps).unary(Unary::Sqrt));
    let shift = beta.sub(&mean.mul(&scale));
    Ok([scale, shift])
}

/// A convolution with this stride, and zeros around its input.
pub fn strided(stride: usize, pad: usize) -> Conv {
    Conv {
        stride: [stride; 2],
        ..Conv::padded(pad)
    }
}
