//! Networks that others have published, that guides ask: CLIP's two kinds of image encoder, `FaceNet`'s, a
//! segmenter, and what finds faces or things.
//!
//! Parameters have the names that their publishers gave them. Sizes follow from the tensors' shapes
//! ([`crate::weights::published`]), so that no config is needed.

mod clip_resnet;
mod clip_vision;
mod conv_norm;
mod faster_rcnn;
mod inception_resnet;
mod lraspp;
mod mtcnn;

pub use clip_resnet::{ClipResnet, ClipResnetConfig};
pub use clip_vision::{ClipVision, ClipVisionConfig};
pub use faster_rcnn::{ANCHORS, CELLS, CUT_FROM, FasterRcnn, FasterRcnnConfig, Proposed, TOGETHER};
pub use inception_resnet::{InceptionResnet, InceptionResnetConfig};
pub use lraspp::{Lraspp, LrasppConfig, VOC};
pub use mtcnn::{LAST_PX, MtcnnStages, Proposer, REFINED_PX, Refiner, Sighting};

use serde::{Deserialize, Serialize};

use super::{Input, Resampling, onnx::Network};
use crate::{error::Result, tensor::Tensor};

/// What makes an embedding of a picture.
pub trait Encoder {
    /// The embeddings of pictures, as the network gives them.
    ///
    /// # Shapes
    /// - `image`: `[B, h, w, 3]`, in the network's size and numbers
    /// - returns `[B, N]`
    ///
    /// # Errors
    /// When the network cannot be run on them.
    fn embed(&self, image: &Tensor) -> Result<Tensor>;
}

impl<T: Encoder + ?Sized> Encoder for std::rc::Rc<T> {
    fn embed(&self, image: &Tensor) -> Result<Tensor> {
        (**self).embed(image)
    }
}

impl Encoder for Network {
    /// Its first output.
    fn embed(&self, image: &Tensor) -> Result<Tensor> {
        let mut outputs = self.forward(image)?;
        let said = outputs.swap_remove(0).tensor;
        let batch = said.shape()[0];
        Ok(said.reshape([batch, said.shape().elements() / batch]))
    }
}

/// By what CLIP's pictures are shifted and scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalisation {
    /// Mean and deviation of what CLIP was trained on.
    #[default]
    Clip,
    /// Those of `ImageNet`, which the published guidance scripts use.
    ImageNet,
}

impl Normalisation {
    /// Whether this is what is usual, and needs no mention.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// How CLIP wants its pictures: squeezed to a square of this many pixels a side, as the published scripts do.
    pub fn input(self, side_px: usize) -> Input {
        let (mean, std) = match self {
            Self::Clip => (
                [0.481_454_66, 0.457_827_5, 0.408_210_73],
                [0.268_629_54, 0.261_302_58, 0.275_777_11],
            ),
            Self::ImageNet => ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        };
        Input {
            size: Some([side_px; 2]),
            resampling: Resampling::Bicubic,
            antialias: false,
            mean,
            std,
            ..Input::default()
        }
    }
}
