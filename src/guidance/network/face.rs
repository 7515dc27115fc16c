//! Face identity: an embedding of the face in a picture, pulled towards that of another.

use std::cell::RefCell;

use super::{
    Loss,
    finder::{Face, FaceFinder},
    losses::unit,
};
use crate::{
    error::{Error, Result},
    guidance::{crop::Crop, universal::Guide},
    models::{Prepared, published::Encoder},
    tensor::{LocalFuture, Tensor},
};

/// Where recognisers are used to find the eyes and the mouth, in shares of the crop: how far apart and how high both
/// eyes are, and how high the mouth (the five points of `ArcFace`'s template, 112 pixels a side).
const EYES_APART: f32 = 35.2 / 112.0;
const EYES_DOWN: f32 = 51.6 / 112.0;
const MOUTH_DOWN: f32 = 92.3 / 112.0;
/// The part of the picture that a face in the middle takes: rows and columns 48 to 208 of 256, as published.
const MIDDLE: f32 = 160.0 / 256.0;
/// What a recogniser looks at that does not say.
const USUAL_PX: usize = 112;

/// Which part of a picture is recognised, and how embeddings are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaceSettings {
    /// The mean of the differences' sizes, as published, or 1 less the cosine. Embeddings are 1 long.
    pub loss: Loss,
    /// The face is cut out (the published `fr_crop`); else the whole picture is recognised, as long as it shows a face.
    pub crop: bool,
    /// The face is taken to be in the middle of guided pictures and nobody looks for it (the published `center_face`).
    pub centre: bool,
    /// What of a face is cut out.
    pub cut: Cut,
}

/// What of a face a recogniser sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// The square in which eyes and mouth lie where `ArcFace`'s family of recognisers has them.
    #[default]
    Aligned,
    /// What the detector frames, squeezed, as `FaceNet`'s is published.
    Bounds,
}

impl Default for FaceSettings {
    fn default() -> Self {
        Self {
            loss: Loss::Cosine,
            crop: true,
            centre: false,
            cut: Cut::default(),
        }
    }
}

/// A face that pictures are to show.
///
/// A picture without one has no loss: guidance is left out until there is.
pub struct FaceIdentity {
    recogniser: Box<dyn Encoder>,
    input: Prepared,
    detector: Option<FaceFinder>,
    settings: FaceSettings,
    /// `[1, N]`
    wanted: Tensor,
    /// What each row of the pictures to come is cut to; none where it shows no face.
    found: RefCell<Vec<Option<Crop>>>,
}

impl FaceIdentity {
    /// The face in `target`, `[1, H, W, 3]` in 0..1. Without a detector all faces are taken to be in the middle.
    ///
    /// # Errors
    /// When the target shows no face, the loss compares no embeddings, or the recogniser cannot be run.
    pub async fn new(
        recogniser: impl Encoder + 'static,
        input: Prepared,
        detector: Option<FaceFinder>,
        settings: FaceSettings,
        target: &Tensor,
    ) -> Result<Self> {
        if !matches!(settings.loss, Loss::Cosine | Loss::L1 | Loss::L2) {
            return Err(Error::Request(format!(
                "faces are not compared by {}: choose cosine, l1 or l2",
                settings.loss.name()
            )));
        }
        let mut guide = Self {
            recogniser: Box::new(recogniser),
            input,
            detector,
            settings,
            wanted: target.clone(),
            found: RefCell::default(),
        };
        let Some(square) = guide.looked_for(target, false).await? else {
            return Err(Error::Request(
                "the target picture shows no face that the detector finds: take one with a larger face, seen from the front"
                    .to_owned(),
            ));
        };
        guide.wanted = guide.embedding(target, square)?.detached().keep()?;
        Ok(guide)
    }

    /// Where the face of one picture is.
    async fn looked_for(&self, image: &Tensor, guided: bool) -> Result<Option<Crop>> {
        let [_, height, width, _] = image.dims();
        let size = [width, height];
        let detector = self.detector.as_ref();
        let Some(detector) = detector.filter(|_| !(guided && self.settings.centre)) else {
            return Ok(Some(Crop::middle(size, MIDDLE)));
        };
        let faces = detector.faces(image).await?;
        let largest = faces.iter().max_by(|a, b| a.area().total_cmp(&b.area()));
        Ok(largest.map(|face| match self.settings.cut {
            Cut::Aligned => aligned(face, size),
            Cut::Bounds => bounds(face, size),
        }))
    }

    /// The embedding of one picture's face, 1 long: `[1, N]`
    fn embedding(&self, image: &Tensor, crop: Crop) -> Result<Tensor> {
        let size = self.input.size().unwrap_or([USUAL_PX; 2]);
        let seen = if self.settings.crop {
            self.input.apply(&crop.cut(image, size))
        } else {
            self.input.apply(image)
        };
        Ok(unit(&self.recogniser.embed(&seen)?))
    }

    /// Something of each picture that shows a face, and a number for the others.
    fn each(
        &self,
        image: &Tensor,
        of: impl Fn(&Tensor) -> Tensor,
        otherwise: f32,
    ) -> Result<Tensor> {
        let found = self.found.take();
        if found.len() != image.shape()[0] {
            return Err(Error::Request(
                "the face guide was asked about pictures that it was not prepared for: have it look for faces first"
                    .to_owned(),
            ));
        }
        let rows = found.into_iter().enumerate().map(|(row, square)| {
            let Some(square) = square else {
                return Ok(image.device().tensor([1], vec![otherwise]));
            };
            let found = self.embedding(&image.rows(row..row + 1), square)?;
            Ok(of(&found))
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        Ok(Tensor::concat(&rows.iter().collect::<Vec<_>>(), 0))
    }
}

impl Guide for FaceIdentity {
    fn name(&self) -> &'static str {
        "face"
    }

    fn prepare<'a>(&'a self, image: &'a Tensor) -> LocalFuture<'a, Result<usize>> {
        Box::pin(async move {
            let mut found = Vec::new();
            for row in 0..image.shape()[0] {
                found.push(self.looked_for(&image.rows(row..row + 1), true).await?);
            }
            let without = found.iter().filter(|square| square.is_none()).count();
            self.found.replace(found);
            Ok(without)
        })
    }

    /// How far each face is from the target's; 0 where there is none. An error where nobody [prepared](Guide::prepare) for
    /// these pictures.
    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let loss = self.settings.loss;
        self.each(image, |found| loss.between(found, &self.wanted), 0.0)
    }

    /// The cosine, -1 to 1; -1 where there is no face.
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        let cosine = |found: &Tensor| {
            let loss = Loss::Cosine.between(found, &self.wanted);
            loss.affine(-1.0, 1.0)
        };
        self.each(image, cosine, -1.0)
    }
}

/// The square in which eyes and mouth lie where they should.
fn aligned(face: &Face, size: [usize; 2]) -> Crop {
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
    Crop {
        left: eyes[0] - side / 2.0,
        top: eyes[1] - side * EYES_DOWN,
        sides: [side; 2],
    }
}

/// What the detector frames, in whole pixels inside the picture.
fn bounds(face: &Face, size: [usize; 2]) -> Crop {
    let [width, height] = size.map(|side| side as f32);
    let [left, top, right, bottom] = face.bounds;
    let [left, top] = [left * width, top * height].map(|at| at.max(0.0).floor());
    let [right, bottom] =
        [(right * width).min(width), (bottom * height).min(height)].map(f32::floor);
    Crop {
        left,
        top,
        sides: [(right - left).max(2.0), (bottom - top).max(2.0)],
    }
}
