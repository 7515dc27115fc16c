//! Faster R-CNN, in the form of torchvision's `fasterrcnn_resnet50_fpn_v2`, from its public weights.

use std::rc::Rc;

use super::{
    published::{Shapes, build},
    source::WeightSource,
    tensors::Tensors,
    torch_file::any_header,
};
use crate::{
    error::{Error, Result},
    models::published::{FasterRcnn, FasterRcnnConfig},
    tensor::Device,
};

/// Reads the detector from a safetensors file or one of PyTorch's, under the names it has there.
///
/// # Errors
/// When it holds another network, is not whole, or the device has no room.
pub async fn read(source: Rc<dyn WeightSource>, device: &Device) -> Result<FasterRcnn> {
    let header = any_header(&*source).await?;
    let config = sizes(&Shapes(&header)).ok_or_else(|| Error::Weights {
        place: source.place().to_owned(),
        problem:
            "it is no detector that is known here: torchvision's fasterrcnn_resnet50_fpn_v2 is read"
                .to_owned(),
    })?;
    let mut tensors = Tensors::default();
    let kept = |name: &str| (!name.ends_with("num_batches_tracked")).then(|| name.to_owned());
    tensors.add(source, &header, kept)?;
    build(&tensors, device, |p| FasterRcnn::new(&config, p)).await
}

fn sizes(shapes: &Shapes) -> Option<FasterRcnnConfig> {
    let first = |name: &str| shapes.of(name)?.first().copied();
    let blocks = |stage| shapes.count(&format!("backbone.body.layer{stage}."), ".conv1.weight");
    Some(FasterRcnnConfig {
        layers: [1, 2, 3, 4].map(blocks),
        width: first("backbone.body.conv1.weight")?,
        // The first version has no norm there.
        channels: first("backbone.fpn.inner_blocks.0.1.weight")?,
        features: first("roi_heads.box_head.5.weight")?,
        classes: first("roi_heads.box_predictor.cls_score.weight")?,
        ..FasterRcnnConfig::coco()
    })
}
