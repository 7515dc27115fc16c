//! `YuNet`: a face detector (<https://github.com/ShiqiYu/libfacedetection.train>), its boxes decoded on the host.

use super::{bounds::shared, finder::Face};
use crate::{
    error::{Error, Result},
    models::{Input, Prepared, onnx::Network},
    tensor::{Device, Tensor},
};

/// The network looks at pictures in cells of these sides.
const STRIDES: [usize; 3] = [8, 16, 32];
/// A face is at least this sure.
const LEAST_SCORE: f32 = 0.6;
/// Of boxes that share more than this of what they cover, the surest counts.
const MOST_SHARED: f32 = 0.3;

/// The detector.
pub struct YuNet {
    network: Network,
    input: Prepared,
    /// Width and height that it looks at.
    size: [usize; 2],
}

impl YuNet {
    /// From its ONNX file.
    ///
    /// # Errors
    /// When it is another network's.
    pub fn new(place: &str, bytes: Vec<u8>, device: &Device) -> Result<Self> {
        let network = Network::read(place, bytes, device, None)?;
        let dims = network.single().map(|port| port.dims.clone());
        let heads = ["cls", "obj", "bbox", "kps"];
        let complete = heads.iter().all(|head| {
            STRIDES.iter().all(|stride| {
                let name = format!("{head}_{stride}");
                network.outputs().any(|output| output == name)
            })
        });
        let Some([_, Some(3), Some(height), Some(width)]) = dims.as_deref() else {
            return Err(foreign(place));
        };
        if !complete {
            return Err(foreign(place));
        }
        let size = [*width, *height];
        let input = Input {
            size: Some(size),
            scale: 255.0,
            bgr: true,
            ..Input::default()
        };
        Ok(Self {
            input: input.on(device)?,
            network,
            size,
        })
    }

    /// The faces in one picture, the surest first.
    ///
    /// # Shapes
    /// - `image`: `[1, H, W, 3]` in 0..1
    ///
    /// # Errors
    /// When the device is lost.
    pub async fn faces(&self, image: &Tensor) -> Result<Vec<Face>> {
        let outputs = self.network.forward(&self.input.apply(&image.detached()))?;
        let tensors: Vec<&Tensor> = outputs.iter().map(|output| &output.tensor).collect();
        image.device().eval(&tensors)?;
        let mut faces = Vec::new();
        for stride in STRIDES {
            let mut heads = Vec::with_capacity(4);
            for head in ["cls", "obj", "bbox", "kps"] {
                let name = format!("{head}_{stride}");
                let found = outputs.iter().find(|output| output.name == name);
                let Some(output) = found else {
                    return Err(foreign(&name));
                };
                heads.push(output.tensor.read().await?);
            }
            faces.extend(decoded(&heads, stride, self.size));
        }
        faces.sort_by(|a: &Face, b| b.score.total_cmp(&a.score));
        let mut kept: Vec<Face> = Vec::new();
        for face in faces {
            if kept
                .iter()
                .all(|other| shared(other.bounds, face.bounds) <= MOST_SHARED)
            {
                kept.push(face);
            }
        }
        Ok(kept)
    }
}

fn foreign(place: &str) -> Error {
    Error::Weights {
        place: place.to_owned(),
        problem: "it is no YuNet: a face detector with the outputs cls_8, obj_8, bbox_8, kps_8 and those of 16 and 32"
            .to_owned(),
    }
}

/// The faces that the cells of one side have found. Places are counted from the cell, in cells; sizes are logarithms.
fn decoded(heads: &[Vec<f32>], stride: usize, [width, height]: [usize; 2]) -> Vec<Face> {
    let [classes, objects, boxes, points] = heads else {
        unreachable!("four heads were read")
    };
    let columns = width / stride;
    let [across, down] = [width, height].map(|side| stride as f32 / side as f32);
    let face = |cell: usize| {
        let score = (classes[cell].clamp(0.0, 1.0) * objects[cell].clamp(0.0, 1.0)).sqrt();
        let [column, row] = [(cell % columns) as f32, (cell / columns) as f32];
        let [x, y, w, h] = [0, 1, 2, 3].map(|part| boxes[4 * cell + part]);
        let centre = [(column + x) * across, (row + y) * down];
        let half = [w.exp() * across / 2.0, h.exp() * down / 2.0];
        Face {
            score,
            bounds: [
                centre[0] - half[0],
                centre[1] - half[1],
                centre[0] + half[0],
                centre[1] + half[1],
            ],
            landmarks: [0, 1, 2, 3, 4].map(|point| {
                let at = 10 * cell + 2 * point;
                [
                    (column + points[at]) * across,
                    (row + points[at + 1]) * down,
                ]
            }),
        }
    };
    (0..classes.len())
        .map(face)
        .filter(|face| face.score >= LEAST_SCORE)
        .collect()
}
