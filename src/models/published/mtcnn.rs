//! The three networks of MTCNN, which finds faces (Zhang et al. 2016, <https://arxiv.org/abs/1604.02878>), under the names of
//! facenet-pytorch: the first proposes boxes, the second refines them, the third also says where eyes, nose and mouth are.

use crate::{
    error::Result,
    models::{
        Kind, Parameters,
        layers::{Linear, Scope},
    },
    tensor::{Conv, Pooling, Tensor},
};

/// Pixels along each side of what the second and the third network look at.
pub const REFINED_PX: usize = 24;
/// See [`REFINED_PX`].
pub const LAST_PX: usize = 48;

/// A convolution without a border and what follows it, which lets a share of what is below zero pass, each channel its own.
struct Stage {
    weight: Tensor,
    bias: Tensor,
    slope: Tensor,
}

impl Stage {
    /// The convolution and the slopes of this number.
    fn new(
        scope: &mut Scope<'_>,
        at: usize,
        inputs: usize,
        outputs: usize,
        kernel: usize,
    ) -> Result<Self> {
        let kind = Kind::Conv {
            outputs,
            inputs,
            kernel: [kernel; 2],
        };
        let mut conv = scope.at(format!("conv{at}"));
        Ok(Self {
            weight: conv.take("weight", kind)?,
            bias: conv.take("bias", Kind::Vector(outputs))?,
            slope: slopes(scope, at, outputs)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x.conv2d(&self.weight, Some(&self.bias), Conv::padded(0));
        let channels = self.slope.shape()[0];
        sloped(&x, &self.slope.reshape([1, 1, 1, channels]))
    }
}

fn slopes(scope: &mut Scope<'_>, at: usize, channels: usize) -> Result<Tensor> {
    scope
        .at(format!("prelu{at}"))
        .take("weight", Kind::Vector(channels))
}

fn sloped(x: &Tensor, slope: &Tensor) -> Tensor {
    let below = x.affine(-1.0, 0.0).relu();
    x.relu().sub(&below.mul(slope))
}

/// The greatest of each window; the last may reach over the border.
fn greatest(x: &Tensor, side: usize) -> Tensor {
    let [_, h, w, _] = x.dims();
    let rest = |extent: usize| (extent - side) % 2;
    x.pool(Pooling::Max, [side; 2], [2, 2], [0, rest(h), 0, rest(w)])
}

/// Everything in a small map in a row, columns first, as the network that this was converted from had it.
fn in_a_row(x: &Tensor) -> Tensor {
    let [batch, h, w, channels] = x.dims();
    x.permute(&[0, 2, 1, 3]).reshape([batch, h * w * channels])
}

/// What a network says of boxes.
pub struct Sighting {
    /// How sure it is of no face and of one, `[..., 2]`
    pub sure: Tensor,
    /// By what share of its sides each edge is off, `[..., 4]`
    pub off: Tensor,
    /// Across, then down, of eyes, nose and corners of the mouth, as shares of the box, `[..., 10]`; the last network's.
    pub points: Option<Tensor>,
}

/// The network that proposes: one box for every second pixel.
pub struct Proposer {
    stages: [Stage; 3],
    sure: Linear,
    off: Linear,
}

impl Proposer {
    fn new(mut scope: Scope<'_>) -> Result<Self> {
        Ok(Self {
            stages: [
                Stage::new(&mut scope, 1, 3, 10, 3)?,
                Stage::new(&mut scope, 2, 10, 16, 3)?,
                Stage::new(&mut scope, 3, 16, 32, 3)?,
            ],
            sure: Linear::new(scope.at("conv4_1"), 32, 2)?,
            off: Linear::new(scope.at("conv4_2"), 32, 4)?,
        })
    }

    /// `[B, h, w, 3]` to maps of about half its sides.
    pub fn forward(&self, x: &Tensor) -> Sighting {
        let [first, second, third] = &self.stages;
        let x = greatest(&first.forward(x), 2);
        let x = third.forward(&second.forward(&x));
        Sighting {
            sure: self.sure.forward(&x).softmax(),
            off: self.off.forward(&x),
            points: None,
        }
    }
}

/// One of the networks that look at boxes.
pub struct Refiner {
    stages: Vec<Stage>,
    /// Sides of the windows behind each stage.
    windows: &'static [usize],
    dense: Linear,
    slope: Tensor,
    sure: Linear,
    off: Linear,
    points: Option<Linear>,
}

impl Refiner {
    fn second(mut scope: Scope<'_>) -> Result<Self> {
        Ok(Self {
            stages: vec![
                Stage::new(&mut scope, 1, 3, 28, 3)?,
                Stage::new(&mut scope, 2, 28, 48, 3)?,
                Stage::new(&mut scope, 3, 48, 64, 2)?,
            ],
            windows: &[3, 3],
            dense: Linear::new(scope.at("dense4"), 576, 128)?,
            slope: slopes(&mut scope, 4, 128)?,
            sure: Linear::new(scope.at("dense5_1"), 128, 2)?,
            off: Linear::new(scope.at("dense5_2"), 128, 4)?,
            points: None,
        })
    }

    fn third(mut scope: Scope<'_>) -> Result<Self> {
        Ok(Self {
            stages: vec![
                Stage::new(&mut scope, 1, 3, 32, 3)?,
                Stage::new(&mut scope, 2, 32, 64, 3)?,
                Stage::new(&mut scope, 3, 64, 64, 3)?,
                Stage::new(&mut scope, 4, 64, 128, 2)?,
            ],
            windows: &[3, 3, 2],
            dense: Linear::new(scope.at("dense5"), 1152, 256)?,
            slope: slopes(&mut scope, 5, 256)?,
            sure: Linear::new(scope.at("dense6_1"), 256, 2)?,
            off: Linear::new(scope.at("dense6_2"), 256, 4)?,
            points: Some(Linear::new(scope.at("dense6_3"), 256, 10)?),
        })
    }

    /// What it says of boxes that were cut out and brought to its size, `[B, side, side, 3]`.
    pub fn forward(&self, x: &Tensor) -> Sighting {
        let mut x = x.clone();
        for (at, stage) in self.stages.iter().enumerate() {
            x = stage.forward(&x);
            if let Some(&side) = self.windows.get(at) {
                x = greatest(&x, side);
            }
        }
        let x = self.dense.forward(&in_a_row(&x));
        let channels = self.slope.shape()[0];
        let x = sloped(&x, &self.slope.reshape([1, channels]));
        Sighting {
            sure: self.sure.forward(&x).softmax(),
            off: self.off.forward(&x),
            points: self.points.as_ref().map(|points| points.forward(&x)),
        }
    }
}

/// All three.
pub struct MtcnnStages {
    /// The network that proposes.
    pub pnet: Proposer,
    /// The one that refines, on boxes of [`REFINED_PX`].
    pub rnet: Refiner,
    /// The last one, on boxes of [`LAST_PX`].
    pub onet: Refiner,
}

impl MtcnnStages {
    /// Builds the networks.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(parameters: &mut dyn Parameters) -> Result<Self> {
        let mut root = Scope::root(parameters);
        Ok(Self {
            pnet: Proposer::new(root.at("pnet"))?,
            rnet: Refiner::second(root.at("rnet"))?,
            onet: Refiner::third(root.at("onet"))?,
        })
    }
}
