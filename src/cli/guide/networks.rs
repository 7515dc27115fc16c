//! The flags of networks from files, as plain data, and what they are to say.

use std::path::{Path, PathBuf};

use clap::Args;

use super::targets::boxed;
use crate::{
    cli::{materials, network::card},
    error::{Error, Result},
    guidance::network::{Loss, matched::Boxed},
    models::published::Normalisation,
    session::{NamedFile, Target, guide::Wanted},
};

/// What a folder with a network from transformers calls its weights.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// What MTCNN's files are called in their folder.
const MTCNN: [&str; 3] = ["pnet.pt", "rnet.pt", "onet.pt"];

/// What networks from files are to say.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Guides on networks from files (models list names some)")]
pub struct Networks {
    /// Have the face of this picture, as --recogniser knows faces.
    #[arg(long, value_name = "IMAGE", requires = "recogniser")]
    pub face: Option<PathBuf>,
    /// What tells faces apart: an ONNX network (a card beside it, NET.json, says how it wants its pictures), or the
    /// weights that facenet-pytorch publishes.
    #[arg(long, value_name = "NET", requires = "face")]
    pub recogniser: Option<PathBuf>,
    /// What finds faces: a `YuNet`, as ONNX, or a folder with MTCNN's pnet.pt, rnet.pt and onet.pt [default: they are looked
    /// for in the middle].
    #[arg(long, value_name = "NET", requires = "face")]
    pub detector: Option<PathBuf>,
    /// Recognise the whole picture, as long as it shows a face, and not the face alone.
    #[arg(long, requires = "face")]
    pub whole_face: bool,
    /// Take the face to be in the middle of what is made; --detector finds the target's alone.
    #[arg(long, visible_alias = "center-face", requires = "face")]
    pub centre_face: bool,
    /// A CLIP (a file, or a folder of transformers') that judges --style and --text in place of mini's own networks.
    #[arg(long, value_name = "NET")]
    pub clip: Option<PathBuf>,
    /// How pictures are shifted and scaled for it: clip, or imagenet as the published guidance has it.
    #[arg(long, value_name = "NAME", default_value = "clip", value_parser = colours, requires = "clip")]
    pub clip_colours: Normalisation,
    /// The weights of torchvision's Faster R-CNN (ResNet-50, version 2), which judges --box in place of mini's own networks; it
    /// knows COCO's things: dog, person, traffic light.
    #[arg(long, value_name = "NET")]
    pub box_detector: Option<PathBuf>,
    /// The weights of torchvision's LR-ASPP, which judges --segmentation in place of mini's own networks.
    #[arg(long, value_name = "NET", requires = "segmentation")]
    pub segmenter: Option<PathBuf>,
    /// What is to be where the mask is white: dog, person, or another of the segmenter's classes.
    #[arg(long, value_name = "NAME", requires = "segmenter")]
    pub segment_class: Option<String>,
    /// What is to be where the mask is black: background, say [default: anything].
    #[arg(long, value_name = "NAME", requires = "segment_class")]
    pub segment_elsewhere: Option<String>,
    /// Any ONNX network, which is to say what a --target tells. A card beside it, NET.json, says how it wants its pictures.
    #[arg(long, value_name = "NET", requires = "target")]
    pub onnx: Option<PathBuf>,
    /// What the network is to say: what it says of this picture.
    #[arg(long, value_name = "IMAGE", group = "target", requires = "onnx")]
    pub target_image: Option<PathBuf>,
    /// This class, by its number from 0; with --target-mask the class of what is white.
    #[arg(long, value_name = "N", group = "target", requires = "onnx")]
    pub target_class: Option<usize>,
    /// The only tensor of this safetensors file.
    #[arg(long, value_name = "FILE", group = "target", requires = "onnx")]
    pub target_embedding: Option<PathBuf>,
    /// A class in this place, of a detector, and no others: "15 0.1,0.2,0.5,0.9"; repeat for more.
    #[arg(long, value_name = "BOX", value_parser = boxed, group = "target", requires = "onnx")]
    pub target_box: Vec<Boxed>,
    /// --target-class where this mask is white.
    #[arg(long, value_name = "MASK", requires = "target_class")]
    pub target_mask: Option<PathBuf>,
    /// The class where that mask is black [default: any].
    #[arg(long, value_name = "N", requires = "target_mask")]
    pub target_elsewhere: Option<usize>,
    /// The network's output that counts [default: its first].
    #[arg(long, value_name = "NAME", requires = "onnx")]
    pub onnx_output: Option<String>,
    /// How faces, or what networks say, are compared: cosine, l1, l2, cross-entropy, negative-log or gram [default: as suits the
    /// target].
    #[arg(long, value_name = "NAME", value_parser = loss)]
    pub loss: Option<Loss>,
}

fn loss(text: &str) -> Result<Loss, String> {
    Loss::parse(text).map_err(|error| error.to_string())
}

fn colours(text: &str) -> Result<Normalisation, String> {
    match text {
        "clip" => Ok(Normalisation::Clip),
        "imagenet" => Ok(Normalisation::ImageNet),
        _ => Err("choose clip or imagenet".to_owned()),
    }
}

/// A file of weights, or the one in a folder of transformers'.
fn weights(path: &Path) -> Result<NamedFile> {
    if !path.is_dir() {
        return materials::named(path);
    }
    let inside = WEIGHTS.map(|name| path.join(name));
    let found = inside.iter().find(|path| path.is_file()).ok_or_else(|| {
        Error::Request(format!(
            "{} holds no {}: name the file of weights itself",
            path.display(),
            WEIGHTS.join(" and no ")
        ))
    })?;
    materials::named(found)
}

impl Networks {
    /// The CLIP that was asked for.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn clip(&self) -> Result<Option<NamedFile>> {
        self.clip.as_deref().map(weights).transpose()
    }

    /// The detector of things that was asked for.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn box_detector(&self) -> Result<Option<NamedFile>> {
        self.box_detector.as_deref().map(weights).transpose()
    }

    /// The files of what finds faces.
    fn detector(&self) -> Result<Vec<NamedFile>> {
        let Some(path) = &self.detector else {
            return Ok(Vec::new());
        };
        if !path.is_dir() {
            return Ok(vec![materials::named(path)?]);
        }
        let inside = MTCNN.map(|name| path.join(name));
        if let Some(missing) = inside.iter().find(|path| !path.is_file()) {
            return Err(Error::Request(format!(
                "{} is not there: MTCNN's folder holds {}",
                missing.display(),
                MTCNN.join(", ")
            )));
        }
        inside.iter().map(|path| materials::named(path)).collect()
    }

    /// The segmenter that was asked for.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn segmenter(&self) -> Result<Option<NamedFile>> {
        self.segmenter.as_deref().map(weights).transpose()
    }

    /// Adds what networks from files are to say.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn add(&self, targets: &mut Vec<Target>) -> Result<()> {
        let named = |path: &PathBuf| materials::named(path);
        if self.clip.is_some()
            && !targets
                .iter()
                .any(|target| matches!(target, Target::Style { .. } | Target::Text { .. }))
        {
            return Err(Error::Request(
                "--clip judges a look or words: give it --style or --text".to_owned(),
            ));
        }
        if self.box_detector.is_some()
            && !targets
                .iter()
                .any(|target| matches!(target, Target::Detection { .. }))
        {
            return Err(Error::Request(
                "--box-detector judges things in places: give it a --box".to_owned(),
            ));
        }
        if let (Some(face), Some(recogniser)) = (&self.face, &self.recogniser) {
            let mut found = self.detector()?.into_iter();
            let detector = found.next();
            targets.push(Target::Face {
                picture: named(face)?,
                recogniser: named(recogniser)?,
                input: card(recogniser)?,
                detector,
                detector_parts: found.collect(),
                loss: self.loss.unwrap_or(Loss::Cosine),
                whole: self.whole_face,
                centre: self.centre_face,
            });
        }
        let Some(network) = &self.onnx else {
            return Ok(());
        };
        targets.push(Target::Network {
            network: named(network)?,
            input: card(network)?,
            output: self.onnx_output.clone(),
            loss: self.loss,
            wanted: self.wanted()?,
        });
        Ok(())
    }

    /// What the ONNX network is to say.
    fn wanted(&self) -> Result<Wanted> {
        let named = |path: &PathBuf| materials::named(path);
        if let Some(picture) = &self.target_image {
            let picture = named(picture)?;
            return Ok(Wanted::Picture { picture });
        }
        if let Some(path) = &self.target_embedding {
            return Ok(Wanted::Embedding { file: named(path)? });
        }
        let Some(class) = self.target_class else {
            let boxes = self.target_box.clone();
            return Ok(Wanted::Boxes { boxes });
        };
        let Some(mask) = &self.target_mask else {
            return Ok(Wanted::Class { class });
        };
        Ok(Wanted::Mask {
            mask: named(mask)?,
            class,
            elsewhere: self.target_elsewhere,
        })
    }
}
