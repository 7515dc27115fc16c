//! The layers that networks are made of, each with its parameters.

use super::{Kind, Parameters};
use crate::{
    error::Result,
    tensor::{Conv, Tensor},
};

/// Parameters below one name: `down_blocks.0.resnets.1`.
pub struct Scope<'a> {
    parameters: &'a mut dyn Parameters,
    name: String,
}

impl<'a> Scope<'a> {
    /// All parameters of a network.
    pub fn root(parameters: &'a mut dyn Parameters) -> Self {
        Self {
            parameters,
            name: String::new(),
        }
    }

    /// The parameters below `name` in this scope.
    pub fn at(&mut self, name: impl AsRef<str>) -> Scope<'_> {
        Scope {
            name: self.join(name.as_ref()),
            parameters: &mut *self.parameters,
        }
    }

    fn join(&self, name: &str) -> String {
        if self.name.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.name)
        }
    }

    /// The parameter `name` itself.
    pub fn take(&mut self, name: &str, kind: Kind) -> Result<Tensor> {
        let name = self.join(name);
        self.parameters.take(&name, kind)
    }
}

/// `x w + b` on the last axis; on a feature map it is a 1x1 convolution.
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// With a bias.
    pub fn new(mut scope: Scope<'_>, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = scope.take("weight", Kind::Linear { outputs, inputs })?;
        let bias = Some(scope.take("bias", Kind::Vector(outputs))?);
        Ok(Self { weight, bias })
    }

    /// Without a bias.
    pub fn unbiased(mut scope: Scope<'_>, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = scope.take("weight", Kind::Linear { outputs, inputs })?;
        Ok(Self { weight, bias: None })
    }

    /// `[..., inputs]` to `[..., outputs]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.matmul(&self.weight, self.bias.as_ref())
    }
}

/// A 3x3 convolution.
pub struct Conv3x3 {
    weight: Tensor,
    bias: Option<Tensor>,
    conv: Conv,
}

impl Conv3x3 {
    /// Keeps the size.
    pub fn new(scope: Scope<'_>, inputs: usize, outputs: usize) -> Result<Self> {
        Self::shaped(scope, inputs, outputs, Conv::padded(1), true)
    }

    /// With its own geometry, and perhaps without a bias.
    pub fn shaped(
        mut scope: Scope<'_>,
        inputs: usize,
        outputs: usize,
        conv: Conv,
        bias: bool,
    ) -> Result<Self> {
        let kernel = [3, 3];
        let kind = Kind::Conv {
            outputs,
            inputs,
            kernel,
        };
        let weight = scope.take("weight", kind)?;
        let bias = bias
            .then(|| scope.take("bias", Kind::Vector(outputs)))
            .transpose()?;
        Ok(Self { weight, bias, conv })
    }

    /// `[B, h, w, inputs]` to `[B, h', w', outputs]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.conv2d(&self.weight, self.bias.as_ref(), self.conv)
    }
}

/// Scale and shift of a norm.
fn scale_and_shift(scope: &mut Scope<'_>, channels: usize) -> Result<[Tensor; 2]> {
    Ok([
        scope.take("weight", Kind::Vector(channels))?,
        scope.take("bias", Kind::Vector(channels))?,
    ])
}

/// Group normalisation.
pub struct GroupNorm {
    gamma: Tensor,
    beta: Tensor,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    /// Of `channels` in `groups`.
    pub fn new(mut scope: Scope<'_>, channels: usize, groups: usize, eps: f64) -> Result<Self> {
        let [gamma, beta] = scale_and_shift(&mut scope, channels)?;
        Ok(Self {
            gamma,
            beta,
            groups,
            eps,
        })
    }

    /// `[B, ..., C]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.group_norm(&self.gamma, &self.beta, self.groups, self.eps)
    }
}

/// Layer normalisation.
pub struct LayerNorm {
    gamma: Tensor,
    beta: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Of `channels`.
    pub fn new(mut scope: Scope<'_>, channels: usize, eps: f64) -> Result<Self> {
        let [gamma, beta] = scale_and_shift(&mut scope, channels)?;
        Ok(Self { gamma, beta, eps })
    }

    /// `[..., C]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(&self.gamma, &self.beta, self.eps)
    }
}

/// Twice as tall and wide, or of the size asked for: nearest neighbour, then a 3x3 convolution.
pub struct Upsample(Conv3x3);

impl Upsample {
    /// Of `channels`.
    pub fn new(mut scope: Scope<'_>, channels: usize) -> Result<Self> {
        Conv3x3::new(scope.at("conv"), channels, channels).map(Self)
    }

    /// `[B, h, w, C]` to `[B, size[0], size[1], C]`
    pub fn forward(&self, x: &Tensor, size: [usize; 2]) -> Tensor {
        let enlarged = x.resize(size, crate::tensor::Interpolation::Nearest, false);
        self.0.forward(&enlarged)
    }
}
