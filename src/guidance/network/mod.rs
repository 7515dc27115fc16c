//! Guides that are networks: what one says of a picture is pulled towards a target.

mod bounds;
mod detector;
mod face;
mod finder;
mod losses;
pub mod matched;
mod mtcnn;
mod regions;
mod segmentation;
mod similarity;
mod yunet;

pub use detector::{ClassBox, Detector};
pub use face::{Cut, FaceIdentity, FaceSettings};
pub use finder::{Face, FaceFinder};
pub use losses::Loss;
pub use mtcnn::{Mtcnn, MtcnnSettings};
pub use regions::{COCO, Judged, Regions};
pub use segmentation::Segmentation;
pub use similarity::Similarity;
pub use yunet::YuNet;

use super::universal::Guide;
use crate::{
    error::{Error, Result},
    models::{Prepared, onnx::Network},
    tensor::Tensor,
};

/// What a network is to say.
#[derive(Clone, Debug)]
pub enum Target {
    /// What it says of another picture, `[1, H, W, 3]` in 0..1.
    Picture(Tensor),
    /// This, in the shape of its output: an embedding, a map.
    Output(Vec<f32>),
    /// This class, along axis 1 of its output, everywhere.
    Class(usize),
    /// A class for each place of its output behind axis 1, row by row; nothing where any will do.
    Map(Vec<Option<usize>>),
}

impl Target {
    /// The loss that suits it, where nobody chose one.
    pub fn usual_loss(&self) -> Loss {
        match self {
            Self::Picture(_) | Self::Output(_) => Loss::Cosine,
            Self::Class(_) | Self::Map(_) => Loss::CrossEntropy,
        }
    }
}

/// A network from a file, and what it is to say of pictures.
pub struct NetworkGuide {
    network: Network,
    input: Prepared,
    /// Which of its outputs counts.
    output: usize,
    loss: Loss,
    wanted: Tensor,
}

impl NetworkGuide {
    /// A network that is to say `target` in its output of this name, or its first.
    ///
    /// The network is run once, on the target or on `like`, a picture of the size that will be guided, so that what does not
    /// fit is known before.
    ///
    /// # Errors
    /// When there is no such output, the target does not fit it, or the network cannot be run.
    pub fn new(
        network: Network,
        input: Prepared,
        output: Option<&str>,
        loss: Loss,
        target: &Target,
        like: &Tensor,
    ) -> Result<Self> {
        let output = self::output(&network, output)?;
        let picture = match target {
            Target::Picture(picture) => picture,
            _ => like,
        };
        let said = said(&network, &input, output, picture)?;
        let wanted = wanted(&said, target)?;
        if loss.needs_classes() && said.shape().rank() < 2 {
            return Err(Error::Request(format!(
                "the loss {} needs an output with an axis of classes or channels, and {:?} has none",
                loss.name(),
                said.shape()
            )));
        }
        Ok(Self {
            network,
            input,
            output,
            loss,
            wanted: wanted.keep()?,
        })
    }
}

impl Guide for NetworkGuide {
    fn name(&self) -> &'static str {
        "network"
    }

    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let found = said(&self.network, &self.input, self.output, image)?;
        let [rows, wanted] = [&found, &self.wanted].map(|x| x.shape().elements() / x.shape()[0]);
        if rows != wanted {
            return Err(Error::Request(format!(
                "the network says {:?} of a picture of this size, and its target is {:?}",
                found.shape(),
                self.wanted.shape()
            )));
        }
        Ok(self.loss.between(&found, &self.wanted))
    }
}

/// The place of the output of this name; the first where none is named.
fn output(network: &Network, name: Option<&str>) -> Result<usize> {
    let Some(name) = name else { return Ok(0) };
    let found = network.outputs().position(|known| known == name);
    found.ok_or_else(|| {
        let names = network.outputs().collect::<Vec<_>>().join(", ");
        Error::Request(format!(
            "the network has no output {name:?}; it has {names}"
        ))
    })
}

fn said(network: &Network, input: &Prepared, output: usize, image: &Tensor) -> Result<Tensor> {
    let mut outputs = network.forward(&input.apply(image))?;
    Ok(outputs.swap_remove(output).tensor)
}

/// A target in the shape of one row of an output.
fn wanted(said: &Tensor, target: &Target) -> Result<Tensor> {
    let mut dims = said.shape().to_vec();
    dims[0] = 1;
    let count: usize = dims.iter().product();
    let classes = dims.get(1).copied().unwrap_or(1);
    let places = count / classes;
    let wrong = |text: String| Err(Error::Request(text));
    let device = said.device();
    match target {
        Target::Picture(_) => Ok(said.detached()),
        Target::Output(numbers) if numbers.len() == count => {
            Ok(device.tensor(dims, numbers.clone()))
        }
        Target::Output(numbers) => wrong(format!(
            "the target has {} numbers, and the network's output {dims:?} has {count}",
            numbers.len()
        )),
        Target::Class(class) if *class >= classes => wrong(format!(
            "the network knows classes 0 to {}, and {class} is none",
            classes - 1
        )),
        Target::Class(class) => {
            let share = |at: usize| f32::from(u8::from(at / places == *class));
            Ok(device.tensor(dims, (0..count).map(share).collect()))
        }
        Target::Map(map) if map.len() != places => wrong(format!(
            "the map has {} places, and the network's output {dims:?} has {places}",
            map.len()
        )),
        Target::Map(map) => {
            if let Some(class) = map.iter().flatten().find(|&&class| class >= classes) {
                return wrong(format!(
                    "the network knows classes 0 to {}, and {class} is none",
                    classes - 1
                ));
            }
            let share = |at: usize| f32::from(u8::from(map[at % places] == Some(at / places)));
            Ok(device.tensor(dims, (0..count).map(share).collect()))
        }
    }
}
