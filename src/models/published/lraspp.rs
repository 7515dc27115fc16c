//! A segmenter for photographs: LR-ASPP on `MobileNetV3`-Large (Howard et al. 2019, <https://arxiv.org/abs/1905.02244>), under the names of
//! torchvision's `lraspp_mobilenet_v3_large`.

use super::conv_norm::{ConvNorm, Sizes, strided};
use crate::{
    error::Result,
    models::{
        Input, Parameters,
        layers::{Linear, Scope},
    },
    tensor::{Conv, Interpolation, Tensor, Unary},
};

/// Of the backbone's norms, and of the head's.
const BACKBONE_EPS: f64 = 1e-3;
const HEAD_EPS: f64 = 1e-5;
/// The block whose map, of an eighth of the picture's size, is seen beside the last one.
const LOW: usize = 4;

/// What the 21 classes are called, in their order (PASCAL VOC's).
pub const VOC: [&str; 21] = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining table",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted plant",
    "sheep",
    "sofa",
    "train",
    "tv monitor",
];

/// An inverted residual: kernel, channels inside and out, squeezed and excited or not, hard-swish or not, stride, dilation.
#[derive(Clone, Copy)]
struct Planned(usize, usize, usize, bool, bool, usize, usize);

/// Every one of `MobileNetV3`-Large, the last stage dilated instead of strided.
const PLANNED: [Planned; 15] = [
    Planned(3, 16, 16, false, false, 1, 1),
    Planned(3, 64, 24, false, false, 2, 1),
    Planned(3, 72, 24, false, false, 1, 1),
    Planned(5, 72, 40, true, false, 2, 1),
    Planned(5, 120, 40, true, false, 1, 1),
    Planned(5, 120, 40, true, false, 1, 1),
    Planned(3, 240, 80, false, true, 2, 1),
    Planned(3, 200, 80, false, true, 1, 1),
    Planned(3, 184, 80, false, true, 1, 1),
    Planned(3, 184, 80, false, true, 1, 1),
    Planned(3, 480, 112, true, true, 1, 1),
    Planned(3, 672, 112, true, true, 1, 1),
    Planned(5, 672, 160, true, true, 1, 2),
    Planned(5, 960, 160, true, true, 1, 2),
    Planned(5, 960, 160, true, true, 1, 2),
];

/// Its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LrasppConfig {
    /// All channels inside are divided by this.
    pub narrower: usize,
    /// How many classes.
    pub classes: usize,
}

impl LrasppConfig {
    /// Pixels along each side of the pictures it was made for.
    pub const SIDE_PX: usize = 520;

    /// As it was published.
    pub fn voc() -> Self {
        Self {
            narrower: 1,
            classes: VOC.len(),
        }
    }

    /// The same topology, narrow: for tests.
    pub fn tiny() -> Self {
        Self {
            narrower: 8,
            classes: 5,
        }
    }

    /// How it wants its pictures.
    pub fn input() -> Input {
        Input {
            size: Some([Self::SIDE_PX; 2]),
            antialias: false,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            ..Input::default()
        }
    }
}

/// The mean of everything says how much each channel counts.
struct Excitation {
    fc1: Linear,
    fc2: Linear,
}

impl Excitation {
    fn new(mut scope: Scope<'_>, channels: usize) -> Result<Self> {
        let squeezed = divisible(channels / 4);
        Ok(Self {
            fc1: Linear::new(scope.at("fc1"), channels, squeezed)?,
            fc2: Linear::new(scope.at("fc2"), squeezed, channels)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let mean = x.mean(&[1, 2]);
        let share = self.fc2.forward(&self.fc1.forward(&mean).relu());
        x.mul(&share.unary(Unary::HardSigmoid))
    }
}

/// The nearest multiple of 8, which is not a tenth less.
fn divisible(channels: usize) -> usize {
    let near = ((channels + 4) / 8 * 8).max(8);
    if near * 10 < channels * 9 {
        near + 8
    } else {
        near
    }
}

struct Block {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    excitation: Option<Excitation>,
    project: ConvNorm,
    activation: Unary,
    beside: bool,
}

impl Block {
    fn new(mut scope: Scope<'_>, inputs: usize, planned: Planned, narrower: usize) -> Result<Self> {
        let Planned(kernel, inner, outputs, excited, swish, stride, dilation) = planned;
        let (inner, outputs) = (inner / narrower, outputs / narrower);
        let mut part = 0;
        let mut next = || {
            part += 1;
            part - 1
        };
        let mut conv = |at: usize, sizes: Sizes, conv: Conv| {
            let names = [format!("block.{at}.0"), format!("block.{at}.1")];
            let names = [&names[0][..], &names[1][..]];
            ConvNorm::new(&mut scope, names, sizes, conv, BACKBONE_EPS)
        };
        let expand = (inner != inputs)
            .then(|| conv(next(), Sizes(inputs, inner, [1, 1]), Conv::padded(0)))
            .transpose()?;
        let around = (kernel - 1) / 2 * dilation;
        let geometry = Conv {
            groups: inner,
            dilation: [dilation; 2],
            ..strided(stride, around)
        };
        let depthwise = conv(next(), Sizes(inner, inner, [kernel; 2]), geometry)?;
        let excitation = excited.then(&mut next);
        let project = conv(next(), Sizes(inner, outputs, [1, 1]), Conv::padded(0))?;
        Ok(Self {
            expand,
            depthwise,
            excitation: excitation
                .map(|at| Excitation::new(scope.at(format!("block.{at}")), inner))
                .transpose()?,
            project,
            activation: if swish { Unary::HardSwish } else { Unary::Relu },
            beside: stride == 1 && inputs == outputs,
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let mut inner = x.clone();
        if let Some(expand) = &self.expand {
            inner = expand.forward(&inner).unary(self.activation);
        }
        inner = self.depthwise.forward(&inner).unary(self.activation);
        if let Some(excitation) = &self.excitation {
            inner = excitation.forward(&inner);
        }
        let projected = self.project.forward(&inner);
        if self.beside {
            projected.add(x)
        } else {
            projected
        }
    }
}

/// The segmenter.
pub struct Lraspp {
    first: ConvNorm,
    blocks: Vec<Block>,
    last: ConvNorm,
    cbr: ConvNorm,
    scale: Linear,
    low_classifier: Linear,
    high_classifier: Linear,
}

impl Lraspp {
    /// Builds the segmenter of these sizes.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(config: &LrasppConfig, parameters: &mut dyn Parameters) -> Result<Self> {
        let mut root = Scope::root(parameters);
        let narrow = |channels: usize| channels / config.narrower;
        let mut scope = root.at("backbone");
        let sizes = Sizes(3, narrow(16), [3, 3]);
        let names = ["0.0", "0.1"];
        let first = ConvNorm::new(&mut scope, names, sizes, strided(2, 1), BACKBONE_EPS)?;
        let mut inputs = narrow(16);
        let mut blocks = Vec::new();
        for (at, &planned) in PLANNED.iter().enumerate() {
            let name = scope.at((at + 1).to_string());
            blocks.push(Block::new(name, inputs, planned, config.narrower)?);
            inputs = narrow(planned.2);
        }
        let high = narrow(960);
        let sizes = Sizes(inputs, high, [1, 1]);
        let names = ["16.0", "16.1"];
        let last = ConvNorm::new(&mut scope, names, sizes, Conv::padded(0), BACKBONE_EPS)?;
        let mut head = root.at("classifier");
        let (inner, low) = (narrow(128), narrow(PLANNED[LOW - 1].2));
        let sizes = Sizes(high, inner, [1, 1]);
        let cbr = ConvNorm::new(
            &mut head,
            ["cbr.0", "cbr.1"],
            sizes,
            Conv::padded(0),
            HEAD_EPS,
        )?;
        Ok(Self {
            first,
            blocks,
            last,
            cbr,
            scale: Linear::unbiased(head.at("scale.1"), high, inner)?,
            low_classifier: Linear::new(head.at("low_classifier"), low, config.classes)?,
            high_classifier: Linear::new(head.at("high_classifier"), inner, config.classes)?,
        })
    }

    /// How well each class fits each pixel, before the softmax.
    ///
    /// # Shapes
    /// - `image`: `[B, H, W, 3]`, in the network's numbers
    /// - returns `[B, H, W, classes]`
    pub fn segment(&self, image: &Tensor) -> Tensor {
        let [_, tall, wide, _] = image.dims();
        let mut x = self.first.forward(image).unary(Unary::HardSwish);
        let mut low = x.clone();
        for (at, block) in self.blocks.iter().enumerate() {
            x.milestone();
            x = block.forward(&x);
            if at + 1 == LOW {
                low = x.clone();
            }
        }
        let high = self.last.forward(&x).unary(Unary::HardSwish);
        let share = self
            .scale
            .forward(&high.mean(&[1, 2]))
            .unary(Unary::Sigmoid);
        let seen = self.cbr.forward(&high).relu().mul(&share);
        let [_, h, w, _] = low.dims();
        let seen = seen.resize([h, w], Interpolation::Bilinear, false);
        let classes = self.low_classifier.forward(&low);
        let classes = classes.add(&self.high_classifier.forward(&seen));
        classes.resize([tall, wide], Interpolation::Bilinear, false)
    }
}
