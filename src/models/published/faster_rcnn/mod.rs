//! A detector for photographs: Faster R-CNN (Ren et al. 2015, <https://arxiv.org/abs/1506.01497>) with a feature pyramid, in the form and
//! under the names of torchvision's `fasterrcnn_resnet50_fpn_v2`.
//!
//! One network proposes boxes wherever there may be a thing, another says of each what it is. What becomes of their words, in a
//! loss or a list of things, is said elsewhere (`guidance::network`).

mod align;
mod backbone;

use self::{align::cut, backbone::Backbone};
use super::conv_norm::{ConvNorm, Sizes};
use crate::{
    error::Result,
    models::{
        Input, Parameters,
        layers::{Conv3x3, Linear, Scope},
    },
    tensor::{Conv, Tensor},
};

pub use align::{CELLS, TOGETHER};

const EPS: f64 = 1e-5;
/// Boxes at each place of each map: tall, square and wide ones.
pub const ANCHORS: usize = 3;
/// Maps that things are cut from; the last map is for proposals alone.
pub const CUT_FROM: usize = 4;

/// Its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FasterRcnnConfig {
    /// Blocks of each stage.
    pub layers: [usize; 4],
    /// Channels behind the first convolution.
    pub width: usize,
    /// Channels of the maps.
    pub channels: usize,
    /// Features of a box.
    pub features: usize,
    /// How many classes, the background among them.
    pub classes: usize,
    /// What the shorter side of a picture is brought to, unless the longer one would be more than this.
    pub sides_px: [usize; 2],
}

impl FasterRcnnConfig {
    /// As it was published.
    pub fn coco() -> Self {
        Self {
            layers: [3, 4, 6, 3],
            width: 64,
            channels: 256,
            features: 1024,
            classes: 91,
            sides_px: [800, 1333],
        }
    }

    /// The same topology, narrow: for tests.
    pub fn tiny() -> Self {
        Self {
            layers: [2, 1, 1, 1],
            width: 4,
            channels: 8,
            features: 12,
            classes: 5,
            sides_px: [64, 100],
        }
    }

    /// In which numbers it wants its pictures.
    pub fn input() -> Input {
        Input {
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            ..Input::default()
        }
    }

    /// Height and width that a picture of these is brought to.
    pub fn fitted(&self, [h, w]: [usize; 2]) -> [usize; 2] {
        let [shorter, longer] = self.sides_px.map(|side| side as f32);
        // In f32 as it was published: 768 pixels become 799.
        let scale = (shorter / h.min(w) as f32).min(longer / h.max(w) as f32);
        [h, w].map(|side| ((side as f64 * f64::from(scale)) as usize).max(1))
    }
}

/// What is proposed at each place of the maps, all in a row: map by map, row by row, [`ANCHORS`] at a time.
pub struct Proposed {
    /// How sure it is of a thing, before a sigmoid, `[B, N]`
    pub sure: Tensor,
    /// How far a box there is off, and its sides' logarithms, `[B, N, 4]`
    pub off: Tensor,
}

/// The detector.
pub struct FasterRcnn {
    config: FasterRcnnConfig,
    backbone: Backbone,
    convs: [Conv3x3; 2],
    cls_logits: Linear,
    bbox_pred: Linear,
    box_convs: Vec<ConvNorm>,
    box_features: Linear,
    cls_score: Linear,
    box_pred: Linear,
}

impl FasterRcnn {
    /// Builds the detector of these sizes.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(config: &FasterRcnnConfig, parameters: &mut dyn Parameters) -> Result<Self> {
        let mut root = Scope::root(parameters);
        let backbone = Backbone::new(root.at("backbone"), config)?;
        let channels = config.channels;
        let mut head = root.at("rpn.head");
        let convs = [
            Conv3x3::new(head.at("conv.0.0"), channels, channels)?,
            Conv3x3::new(head.at("conv.1.0"), channels, channels)?,
        ];
        let cls_logits = Linear::new(head.at("cls_logits"), channels, ANCHORS)?;
        let bbox_pred = Linear::new(head.at("bbox_pred"), channels, 4 * ANCHORS)?;
        let mut roi = root.at("roi_heads");
        let mut head = roi.at("box_head");
        let box_conv = |at: usize| {
            let names = [format!("{at}.0"), format!("{at}.1")];
            let names = [&names[0][..], &names[1][..]];
            let sizes = Sizes(channels, channels, [3, 3]);
            ConvNorm::new(&mut head, names, sizes, Conv::padded(1), EPS)
        };
        let box_convs = (0..4).map(box_conv).collect::<Result<_>>()?;
        let seen = channels * CELLS * CELLS;
        let box_features = Linear::new(head.at("5"), seen, config.features)?;
        let mut predictor = roi.at("box_predictor");
        Ok(Self {
            config: *config,
            backbone,
            convs,
            cls_logits,
            bbox_pred,
            box_convs,
            box_features,
            cls_score: Linear::new(predictor.at("cls_score"), config.features, config.classes)?,
            box_pred: Linear::new(
                predictor.at("bbox_pred"),
                config.features,
                4 * config.classes,
            )?,
        })
    }

    /// What it was built from.
    pub fn config(&self) -> &FasterRcnnConfig {
        &self.config
    }

    /// The maps of a picture, the finest first.
    ///
    /// # Shapes
    /// - `image`: `[B, H, W, 3]`, in the network's numbers, its sides multiples of 32
    /// - returns `[B, h, w, C]` five times
    pub fn maps(&self, image: &Tensor) -> Vec<Tensor> {
        self.backbone.forward(image)
    }

    /// Where there may be things, of all maps.
    pub fn proposed(&self, maps: &[Tensor]) -> Proposed {
        let mut sure = Vec::new();
        let mut off = Vec::new();
        for map in maps {
            let [batch, h, w, _] = map.dims();
            let [first, second] = &self.convs;
            let x = second.forward(&first.forward(map).relu()).relu();
            let count = h * w * ANCHORS;
            sure.push(self.cls_logits.forward(&x).reshape([batch, count]));
            off.push(self.bbox_pred.forward(&x).reshape([batch, count, 4]));
        }
        let joined = |parts: &[Tensor]| Tensor::concat(&parts.iter().collect::<Vec<_>>(), 1);
        Proposed {
            sure: joined(&sure),
            off: joined(&off),
        }
    }

    /// What the things in boxes are, and how far off the boxes.
    ///
    /// # Shapes
    /// - `map`: one of the first [`CUT_FROM`] maps of a single picture, `stride` times smaller than it
    /// - `boxes`: at most [`TOGETHER`], in the picture's pixels
    /// - returns how well each class fits before the softmax, `[TOGETHER, classes]`, and how far each class's box is off,
    ///   `[TOGETHER, 4 * classes]`
    pub fn said_of(&self, map: &Tensor, boxes: &[[f32; 4]], stride: f32) -> [Tensor; 2] {
        let mut x = cut(map, boxes, stride);
        for conv in &self.box_convs {
            x = conv.forward(&x).relu();
        }
        // Weights count channel by channel, and within one row by row.
        let x = x.permute(&[0, 3, 1, 2]);
        let seen = self.config.channels * CELLS * CELLS;
        let x = self
            .box_features
            .forward(&x.reshape([TOGETHER, seen]))
            .relu();
        [self.cls_score.forward(&x), self.box_pred.forward(&x)]
    }
}
