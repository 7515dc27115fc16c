//! Face identity: an embedding of the face in a picture, pulled towards that of another.

use super::{
    Loss, NetworkGuide, Target,
    yunet::{Face, YuNet},
};
use crate::{
    error::{Error, Result},
    models::{Prepared, onnx::Network},
    tensor::{PadMode, Tensor},
};

/// Where recognisers are used to find the eyes and the mouth, in shares of the crop: how far apart and how high both
/// eyes are, and how high the mouth (the five points of `ArcFace`'s template, 112 pixels a side).
const EYES_APART: f32 = 35.2 / 112.0;
const EYES_DOWN: f32 = 51.6 / 112.0;
const MOUTH_DOWN: f32 = 92.3 / 112.0;

/// A face that pictures are to show.
pub struct FaceIdentity {
    detector: Option<YuNet>,
    guide: NetworkGuide,
}

impl FaceIdentity {
    /// The face in `target`, `[1, H, W, 3]` in 0..1. Without a detector it is looked for in the middle.
    ///
    /// # Errors
    /// When the target shows no face, or the recogniser cannot be run.
    pub async fn new(
        recogniser: Network,
        input: Prepared,
        detector: Option<YuNet>,
        loss: Loss,
        target: &Tensor,
    ) -> Result<Self> {
        let Some(crop) = cropped(detector.as_ref(), target).await? else {
            return Err(Error::Request(
                "the target picture shows no face that the detector finds: take one with a larger face, seen from the front"
                    .to_owned(),
            ));
        };
        let target = Target::Picture(crop.clone());
        let guide = NetworkGuide::new(recogniser, input, None, loss, &target, &crop)?;
        Ok(Self { detector, guide })
    }

    /// How far the face in a picture is from the target; nothing where there is no face, and guidance is left out.
    ///
    /// # Shapes
    /// - `image`: `[1, H, W, 3]` in 0..1
    /// - returns `[1]`
    ///
    /// # Errors
    /// When the device is lost, or the recogniser cannot be run.
    pub async fn loss(&self, image: &Tensor) -> Result<Option<Tensor>> {
        match cropped(self.detector.as_ref(), image).await? {
            Some(crop) => self.guide.loss(&crop).map(Some),
            None => Ok(None),
        }
    }
}

/// The square around the largest face, as recognisers want it; the middle without a detector.
async fn cropped(detector: Option<&YuNet>, image: &Tensor) -> Result<Option<Tensor>> {
    let [_, height, width, _] = image.dims();
    let Some(detector) = detector else {
        let side = height.min(width);
        let [top, left] = [(height - side) / 2, (width - side) / 2];
        let middle = image.slice(1, top..top + side).slice(2, left..left + side);
        return Ok(Some(middle));
    };
    let faces = detector.faces(image).await?;
    let largest = faces.iter().max_by(|a, b| a.area().total_cmp(&b.area()));
    Ok(largest.map(|face| cut(image, square(face, [width, height]))))
}

/// Left, top and side, in pixels, of the square in which eyes and mouth lie where they should.
fn square(face: &Face, size: [usize; 2]) -> [i64; 3] {
    let point = |index: usize| {
        let [x, y] = face.landmarks[index];
        [x * size[0] as f32, y * size[1] as f32]
    };
    let middle = |a: [f32; 2], b: [f32; 2]| [0, 1].map(|axis| f32::midpoint(a[axis], b[axis]));
    let apart = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let [right_eye, left_eye] = [point(0), point(1)];
    let [eyes, mouth] = [middle(right_eye, left_eye), middle(point(3), point(4))];
    // Seen from the side eyes are close, seen from below the mouth is: the larger of both tells the size.
    let by_eyes = apart(right_eye, left_eye) / EYES_APART;
    let by_mouth = apart(eyes, mouth) / (MOUTH_DOWN - EYES_DOWN);
    let side = by_eyes
        .max(by_mouth)
        .clamp(2.0, 4.0 * size[0].max(size[1]) as f32);
    let [left, top] = [eyes[0] - side / 2.0, eyes[1] - side * EYES_DOWN];
    [left, top, side].map(|px| px.round() as i64)
}

/// A square of a picture, the border repeated where it reaches beyond.
fn cut(image: &Tensor, [left, top, side]: [i64; 3]) -> Tensor {
    let [_, height, width, _] = image.dims();
    let side = side.max(1);
    let along = |image: &Tensor, axis: usize, from: i64, extent: usize| {
        let extent = extent as i64;
        // At least one pixel of the picture is in it.
        let from = from.clamp(1 - side, extent - 1);
        let [inside, end] = [from.max(0), (from + side).min(extent)];
        let kept = image.slice(axis, inside as usize..end as usize);
        let [mut before, mut after] = [[0; 4], [0; 4]];
        before[axis] = (inside - from) as usize;
        after[axis] = (from + side - end) as usize;
        kept.pad(&before, &after, PadMode::Edge)
    };
    along(&along(image, 1, top, height), 2, left, width)
}
