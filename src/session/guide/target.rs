//! What guides pull towards, as a job spells it.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    guidance::{
        network::{
            Loss,
            matched::{Boxed, Trait},
        },
        universal::Kind,
    },
    models::{Input, published::Normalisation},
};

/// A file that a guide needs. A run is handed its contents under it; where the name is a path, it is one that still holds
/// elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedFile {
    /// Its path, or what it was called.
    pub path: String,
    /// The SHA-256 of its contents, in hexadecimal, where a replay is to make sure of them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
}

/// What a guide pulls towards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// A picture of which the parts that are white in the mask stay.
    Inpaint {
        /// The picture.
        picture: NamedFile,
        /// White where it is known, of the size asked for.
        mask: NamedFile,
    },
    /// A picture that looks like this one when both are blurred.
    Blur {
        /// The picture.
        picture: NamedFile,
        /// The blur's standard deviation in pixels.
        sigma: f64,
    },
    /// A picture that looks like this one when both are shrunk.
    Enlarge {
        /// The picture.
        picture: NamedFile,
        /// How many times smaller both are looked at.
        factor: usize,
    },
    /// A picture with the edges of this one.
    Edges {
        /// The picture.
        picture: NamedFile,
    },
    /// A picture whose mean colour is this one.
    Colour {
        /// Red, green and blue, 0 to 255.
        rgb: [u8; 3],
    },
    /// A thing of this shape.
    Segmentation {
        /// A mask of the size asked for, white where the thing is to be; or a picture with a thing of the shape.
        picture: NamedFile,
        /// Which of both it is.
        reading: Reading,
        /// A published segmenter for photographs, which looks in place of the default model's networks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network: Option<NamedFile>,
        /// With that: what is to be where a mask is white.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class: Option<String>,
        /// And where it is black; anything where there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        elsewhere: Option<String>,
    },
    /// Things in these places, and no others.
    Detection {
        /// The things.
        boxes: Vec<Boxed>,
        /// A published detector for photographs, which looks in place of the default model's networks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network: Option<NamedFile>,
    },
    /// A picture that looks like this one.
    Style {
        /// The picture.
        picture: NamedFile,
        /// What of it counts.
        #[serde(default)]
        by: Trait,
        /// A published CLIP, whose embeddings count in place of the default model's networks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network: Option<NamedFile>,
        /// How that one's pictures are shifted and scaled.
        #[serde(default, skip_serializing_if = "Normalisation::is_usual")]
        normalisation: Normalisation,
    },
    /// A picture of what a text says.
    Text {
        /// The text.
        text: String,
        /// A published CLIP, in place of the default model's networks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network: Option<NamedFile>,
        /// How that one's pictures are shifted and scaled.
        #[serde(default, skip_serializing_if = "Normalisation::is_usual")]
        normalisation: Normalisation,
    },
    /// A picture that is named so.
    Class {
        /// The name, `dog`; or with its question, `dye=red`.
        name: String,
    },
    /// A picture of the person whom this one shows, as the default model's world draws people.
    Portrait {
        /// The picture.
        picture: NamedFile,
    },
    /// A picture with the face of this one.
    Face {
        /// The picture.
        picture: NamedFile,
        /// The network that tells faces apart: ONNX, or the weights of `FaceNet`'s.
        recogniser: NamedFile,
        /// How it wants its pictures, if it is ONNX.
        #[serde(default)]
        input: Input,
        /// `YuNet` or MTCNN, which finds them; without it they are looked for in the middle.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detector: Option<NamedFile>,
        /// Its other files, if it comes in several: MTCNN's networks are three.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        detector_parts: Vec<NamedFile>,
        /// How embeddings are compared.
        #[serde(default = "cosine")]
        loss: Loss,
        /// Whether the whole picture is recognised, as long as it shows a face, and not the face alone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        whole: bool,
        /// Whether nobody looks for it in the pictures that are made: it is taken to be in the middle.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        centre: bool,
    },
    /// A picture of which a network says what it is to say.
    Network {
        /// The network, as ONNX.
        network: NamedFile,
        /// How it wants its pictures.
        #[serde(default)]
        input: Input,
        /// The output that counts; the first where none is named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<String>,
        /// How outputs are compared; as suits what is wanted where none is chosen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loss: Option<Loss>,
        /// What it is to say.
        wanted: Wanted,
    },
}

fn cosine() -> Loss {
    Loss::Cosine
}

/// What a picture tells a guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// It is white where something is to be.
    Mask,
    /// It shows what is to be seen.
    Picture,
}

/// What a network is to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "lowercase", deny_unknown_fields)]
pub enum Wanted {
    /// What it says of this picture.
    Picture {
        /// The picture.
        picture: NamedFile,
    },
    /// This class, everywhere.
    Class {
        /// Its place along the output's second axis.
        class: usize,
    },
    /// The numbers of a safetensors file with one tensor.
    Embedding {
        /// The file.
        file: NamedFile,
    },
    /// One class where a mask is white, another where it is black.
    Mask {
        /// The mask, of the size asked for.
        mask: NamedFile,
        /// The class of what is white.
        class: usize,
        /// The class of what is black; any will do where there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        elsewhere: Option<usize>,
    },
    /// Things in places, of a detector. A thing is the number of its class.
    Boxes {
        /// The things.
        boxes: Vec<Boxed>,
    },
}

impl Target {
    /// What its guide is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Inpaint { .. } => "inpaint",
            Self::Blur { .. } => "blur",
            Self::Enlarge { .. } => "enlarge",
            Self::Edges { .. } => "edges",
            Self::Colour { .. } => "colour",
            Self::Segmentation { .. } => "segmentation",
            Self::Detection { .. } => "detection",
            Self::Style { .. } => "style",
            Self::Text { .. } => "text",
            Self::Class { .. } => "class",
            Self::Portrait { .. } => "portrait",
            Self::Face { .. } => "face",
            Self::Network { .. } => "network",
        }
    }

    /// What its guide looks for, as far as settings depend on it.
    pub fn guides(&self) -> Kind {
        match self {
            _ if !self.files().is_empty() && !matches!(self, Self::Face { .. }) => Kind::Network,
            Self::Inpaint { .. }
            | Self::Blur { .. }
            | Self::Enlarge { .. }
            | Self::Edges { .. } => Kind::Pixels,
            Self::Colour { .. } => Kind::Colour,
            Self::Segmentation { .. } => Kind::Shape,
            Self::Detection { .. } => Kind::Places,
            Self::Style { .. } => Kind::Style,
            Self::Text { .. } => Kind::Text,
            Self::Class { .. } => Kind::Name,
            Self::Portrait { .. } | Self::Face { .. } => Kind::Face,
            Self::Network { .. } => Kind::Network,
        }
    }

    /// The pictures it names.
    pub fn pictures(&self) -> Vec<&NamedFile> {
        match self {
            Self::Inpaint { picture, mask } => vec![picture, mask],
            Self::Blur { picture, .. }
            | Self::Enlarge { picture, .. }
            | Self::Edges { picture }
            | Self::Segmentation { picture, .. }
            | Self::Style { picture, .. }
            | Self::Portrait { picture }
            | Self::Face { picture, .. } => vec![picture],
            Self::Network { wanted, .. } => match wanted {
                Wanted::Picture { picture } => vec![picture],
                Wanted::Mask { mask, .. } => vec![mask],
                Wanted::Class { .. } | Wanted::Embedding { .. } | Wanted::Boxes { .. } => {
                    Vec::new()
                }
            },
            Self::Colour { .. }
            | Self::Detection { .. }
            | Self::Text { .. }
            | Self::Class { .. } => Vec::new(),
        }
    }

    /// The other files it names.
    pub fn files(&self) -> Vec<&NamedFile> {
        match self {
            Self::Face {
                recogniser,
                detector,
                detector_parts,
                ..
            } => {
                let found = [recogniser].into_iter().chain(detector);
                found.chain(detector_parts).collect()
            }
            Self::Network {
                network, wanted, ..
            } => match wanted {
                Wanted::Embedding { file } => vec![network, file],
                _ => vec![network],
            },
            Self::Segmentation { network, .. }
            | Self::Detection { network, .. }
            | Self::Style { network, .. }
            | Self::Text { network, .. } => network.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it needs the networks that understand the default model's pictures.
    pub fn needs_eyes(&self) -> bool {
        match self {
            Self::Segmentation { network, .. }
            | Self::Detection { network, .. }
            | Self::Style { network, .. }
            | Self::Text { network, .. } => network.is_none(),
            Self::Class { .. } | Self::Portrait { .. } => true,
            _ => false,
        }
    }

    /// Refuses numbers that can never work.
    ///
    /// # Errors
    /// [`Error::Request`] in one sentence that says what would be right.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Blur { sigma, .. } if !sigma.is_finite() || *sigma <= 0.0 => Err(Error::Request(
                format!("a blur of {sigma} pixels is none: use a number above 0"),
            )),
            Self::Detection { boxes, .. } => boxes.iter().try_for_each(Boxed::check),
            Self::Face { input, .. } => input.check("the recogniser's input"),
            Self::Segmentation {
                reading: Reading::Mask,
                network: Some(_),
                class: None,
                ..
            } => Err(Error::Request(
                "the segmenter has to know what the mask marks: name one of its classes, such as dog"
                    .to_owned(),
            )),
            Self::Network {
                input,
                wanted,
                loss,
                ..
            } => {
                if let Wanted::Boxes { boxes } = wanted {
                    boxes.iter().try_for_each(Boxed::check)?;
                    if loss.is_some() {
                        return Err(Error::Request(
                            "boxes have a loss of their own: leave the choice of one out"
                                .to_owned(),
                        ));
                    }
                }
                input.check("the network's input")
            }
            _ => Ok(()),
        }
    }
}
