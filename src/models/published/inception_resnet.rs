//! `FaceNet`'s embedder, Inception-ResNet-v1 (Szegedy et al. 2016, <https://arxiv.org/abs/1602.07261>), under the names of
//! facenet-pytorch.

use super::{
    Encoder,
    conv_norm::{ConvNorm, Sizes, folded},
};
use crate::{
    error::Result,
    models::{
        Parameters,
        layers::{Linear, Scope},
    },
    tensor::{Conv, Pooling, Tensor},
};

const EPS: f64 = 1e-3;
/// What the three kinds of block count beside what goes past them.
const SCALES: [f64; 3] = [0.17, 0.10, 0.20];

/// Its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InceptionResnetConfig {
    /// How many of each kind of block.
    pub repeats: [usize; 3],
    /// All channels are divided by this, but for those of the picture and the embedding.
    pub narrower: usize,
    /// Numbers of an embedding.
    pub embedding: usize,
}

impl InceptionResnetConfig {
    /// As it was published.
    pub fn facenet() -> Self {
        Self {
            repeats: [5, 10, 5],
            narrower: 1,
            embedding: 512,
        }
    }

    /// The same topology, narrow: for tests.
    pub fn tiny() -> Self {
        Self {
            repeats: [1, 1, 1],
            narrower: 16,
            embedding: 10,
        }
    }
}

/// A convolution of a branch: channels out (before they are divided), kernel, stride, padding down and across.
type Planned = (usize, [usize; 2], usize, [usize; 2]);

/// Convolutions one behind another, each with its norm and an activation.
struct Branch(Vec<ConvNorm>);

impl Branch {
    fn new(
        scope: &mut Scope<'_>,
        name: &str,
        narrower: usize,
        mut inputs: usize,
        planned: &[Planned],
    ) -> Result<Self> {
        let mut convs = Vec::new();
        for (at, &(outputs, kernel, stride, [down, across])) in planned.iter().enumerate() {
            // A single convolution has no number.
            let name = match planned.len() {
                1 => name.to_owned(),
                _ => format!("{name}.{at}"),
            };
            let conv = Conv {
                stride: [stride; 2],
                pad: [down, down, across, across],
                ..Conv::padded(0)
            };
            let outputs = outputs / narrower;
            let sizes = Sizes(inputs, outputs, kernel);
            let mut scope = scope.at(name);
            convs.push(ConvNorm::new(&mut scope, ["conv", "bn"], sizes, conv, EPS)?);
            inputs = outputs;
        }
        Ok(Self(convs))
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = x.clone();
        for conv in &self.0 {
            x = conv.forward(&x).relu();
        }
        x
    }
}

/// Branches beside each other, their sum with what goes past them.
struct Block {
    branches: Vec<Branch>,
    conv2d: Linear,
    scale: f64,
    relu: bool,
}

impl Block {
    fn new(mut scope: Scope<'_>, kind: usize, narrower: usize, relu: bool) -> Result<Self> {
        let point = |outputs| (outputs, [1, 1], 1, [0, 0]);
        let square = |outputs| (outputs, [3, 3], 1, [1, 1]);
        let (channels, planned): (usize, Vec<Vec<Planned>>) = match kind {
            0 => (
                256,
                vec![
                    vec![point(32)],
                    vec![point(32), square(32)],
                    vec![point(32), square(32), square(32)],
                ],
            ),
            1 => {
                let lines = [(128, [1, 7], 1, [0, 3]), (128, [7, 1], 1, [3, 0])];
                let long = vec![point(128), lines[0], lines[1]];
                (896, vec![vec![point(128)], long])
            }
            _ => {
                let lines = [(192, [1, 3], 1, [0, 1]), (192, [3, 1], 1, [1, 0])];
                let long = vec![point(192), lines[0], lines[1]];
                (1792, vec![vec![point(192)], long])
            }
        };
        let channels = channels / narrower;
        let mut branches = Vec::new();
        let mut joined = 0;
        for (at, planned) in planned.iter().enumerate() {
            let name = format!("branch{at}");
            branches.push(Branch::new(&mut scope, &name, narrower, channels, planned)?);
            joined += planned.last().map_or(0, |planned| planned.0 / narrower);
        }
        let scale = if relu { SCALES[kind] } else { 1.0 };
        Ok(Self {
            branches,
            conv2d: Linear::new(scope.at("conv2d"), joined, channels)?,
            scale,
            relu,
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let branches: Vec<Tensor> = self.branches.iter().map(|b| b.forward(x)).collect();
        let joined = Tensor::concat(&branches.iter().collect::<Vec<_>>(), 3);
        let sum = x.mix(1.0, &self.conv2d.forward(&joined), self.scale);
        if self.relu { sum.relu() } else { sum }
    }
}

/// Branches beside each other and the greatest of each window, all half as tall and wide.
struct Reduction(Vec<Branch>);

impl Reduction {
    fn new(
        mut scope: Scope<'_>,
        narrower: usize,
        inputs: usize,
        planned: &[&[Planned]],
    ) -> Result<Self> {
        let branches = planned.iter().enumerate().map(|(at, planned)| {
            let name = format!("branch{at}");
            Branch::new(&mut scope, &name, narrower, inputs / narrower, planned)
        });
        Ok(Self(branches.collect::<Result<_>>()?))
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let mut all: Vec<Tensor> = self.0.iter().map(|b| b.forward(x)).collect();
        all.push(greatest(x));
        Tensor::concat(&all.iter().collect::<Vec<_>>(), 3)
    }
}

fn greatest(x: &Tensor) -> Tensor {
    x.pool(Pooling::Max, [3, 3], [2, 2], [0; 4])
}

/// The embedder. It looks at pictures in which black is -127.5 / 128 and white 127.5 / 128.
pub struct InceptionResnet {
    stem: Vec<Branch>,
    stages: [Vec<Block>; 3],
    reductions: [Reduction; 2],
    block8: Block,
    last: Linear,
    last_norm: [Tensor; 2],
}

impl InceptionResnet {
    /// Builds the embedder of these sizes.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(config: &InceptionResnetConfig, parameters: &mut dyn Parameters) -> Result<Self> {
        let mut scope = Scope::root(parameters);
        let narrower = config.narrower;
        let steps: [(&str, Planned); 6] = [
            ("conv2d_1a", (32, [3, 3], 2, [0, 0])),
            ("conv2d_2a", (32, [3, 3], 1, [0, 0])),
            ("conv2d_2b", (64, [3, 3], 1, [1, 1])),
            ("conv2d_3b", (80, [1, 1], 1, [0, 0])),
            ("conv2d_4a", (192, [3, 3], 1, [0, 0])),
            ("conv2d_4b", (256, [3, 3], 2, [0, 0])),
        ];
        let mut stem = Vec::new();
        let mut inputs = 3;
        for (name, planned) in steps {
            stem.push(Branch::new(&mut scope, name, narrower, inputs, &[planned])?);
            inputs = planned.0 / narrower;
        }
        let mut stage = |kind: usize| {
            let blocks = (0..config.repeats[kind]).map(|at| {
                let name = format!("repeat_{}.{at}", kind + 1);
                Block::new(scope.at(name), kind, narrower, true)
            });
            blocks.collect::<Result<Vec<_>>>()
        };
        let stages = [stage(0)?, stage(1)?, stage(2)?];
        let point = |outputs| (outputs, [1, 1], 1, [0, 0]);
        let square = |outputs| (outputs, [3, 3], 1, [1, 1]);
        let halving = |outputs| (outputs, [3, 3], 2, [0, 0]);
        let first: [&[Planned]; 2] = [&[halving(384)], &[point(192), square(192), halving(256)]];
        let second: [&[Planned]; 3] = [
            &[point(256), halving(384)],
            &[point(256), halving(256)],
            &[point(256), square(256), halving(256)],
        ];
        let features = 1792 / narrower;
        Ok(Self {
            stem,
            stages,
            reductions: [
                Reduction::new(scope.at("mixed_6a"), narrower, 256, &first)?,
                Reduction::new(scope.at("mixed_7a"), narrower, 896, &second)?,
            ],
            block8: Block::new(scope.at("block8"), 2, narrower, false)?,
            last: Linear::unbiased(scope.at("last_linear"), features, config.embedding)?,
            last_norm: {
                let [scale, shift] = folded(&mut scope.at("last_bn"), config.embedding, EPS)?;
                let row = |x: &Tensor| x.reshape([1, config.embedding]).keep();
                [row(&scale)?, row(&shift)?]
            },
        })
    }
}

impl Encoder for InceptionResnet {
    /// Not yet as long as 1.
    fn embed(&self, image: &Tensor) -> Result<Tensor> {
        let mut x = image.clone();
        for (at, conv) in self.stem.iter().enumerate() {
            x = conv.forward(&x);
            // maxpool_3a stands behind conv2d_2b.
            if at == 2 {
                x = greatest(&x);
            }
        }
        for (kind, blocks) in self.stages.iter().enumerate() {
            for block in blocks {
                x.milestone();
                x = block.forward(&x);
            }
            if let Some(reduction) = self.reductions.get(kind) {
                x = reduction.forward(&x);
            }
        }
        x = self.block8.forward(&x);
        let [batch, _, _, channels] = x.dims();
        let mean = x.mean(&[1, 2]).reshape([batch, channels]);
        let [scale, shift] = &self.last_norm;
        Ok(self.last.forward(&mean).mul(scale).add(shift))
    }
}
