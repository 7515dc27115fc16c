//! Guides on networks that others have published, from their weights.

use std::rc::Rc;

use super::{
    Materials, NamedFile, Reading, Target,
    aims::white,
    network::{opened, require_room},
};
use crate::{
    error::{Error, Result},
    guidance::{
        network::{Cut, Judged, Regions, Segmentation, Similarity, matched::Angle},
        universal::Guide,
    },
    models::{
        Input, Prepared,
        published::{Encoder, Normalisation},
    },
    session::Size,
    tensor::Device,
    tokenizer::Tokenizer,
    weights::{
        WeightSource, detector,
        published::{self as stored, Kind, Published},
        recognise::Format,
    },
};

/// A guide on a network that others have published, from its weights.
pub(super) async fn guide(
    target: &Target,
    materials: &Materials,
    size: Size,
    device: &Device,
) -> Result<Rc<dyn Guide>> {
    match target {
        Target::Segmentation {
            picture,
            reading,
            network: Some(file),
            class,
            elsewhere,
        } => {
            let source = roomy(file, materials, device).await?;
            let segmenter = Rc::new(stored::segmenter(source, device).await?);
            let shown = materials.picture(picture)?;
            Ok(Rc::new(match (reading, class) {
                (Reading::Mask, Some(class)) => {
                    let mask = white(shown, &picture.path, size, device)?;
                    Segmentation::mask(&segmenter, &mask, class, elsewhere.as_deref())?
                }
                _ => Segmentation::picture(&segmenter, &shown.to_unit(device))?,
            }))
        }
        Target::Detection {
            boxes,
            network: Some(file),
        } => {
            let source = roomy(file, materials, device).await?;
            let detector = Rc::new(detector::read(source, device).await?);
            Ok(Rc::new(Regions::new(
                &detector,
                boxes,
                Judged::default(),
                device,
            )?))
        }
        Target::Style {
            picture,
            network: Some(file),
            normalisation,
            ..
        } => {
            let clip = clip(file, *normalisation, materials, device).await?;
            let shown = materials.picture(picture)?.to_unit(device);
            let guide = Similarity::picture(clip.encoder, &clip.input, &shown, Angle::Cosine)?;
            Ok(Rc::new(guide))
        }
        Target::Text {
            text,
            network: Some(file),
            normalisation,
        } => {
            let clip = clip(file, *normalisation, materials, device).await?;
            let Some(tower) = &clip.text else {
                return Err(Error::Request(format!(
                    "{} holds no text encoder that is read here: take a CLIP from transformers or OpenAI's RN50, whose files have both",
                    file.path
                )));
            };
            let tokens = match &materials.clip_words {
                Some(words) => words.encode(text),
                None => Tokenizer::clip()?.encode(text),
            };
            let said = (&tokens.ids[..], tokens.used);
            let guide = Similarity::text(clip.encoder, &clip.input, tower, said, Angle::Cosine)?;
            Ok(Rc::new(guide))
        }
        _ => unreachable!("{} needs no network from a file", target.name()),
    }
}

async fn clip(
    file: &NamedFile,
    normalisation: Normalisation,
    materials: &Materials,
    device: &Device,
) -> Result<Published> {
    let source = roomy(file, materials, device).await?;
    let found = stored::encoder(source, normalisation, device).await?;
    if found.kind == Kind::Facenet {
        return Err(Error::Request(format!(
            "{} tells faces apart and compares no looks or words: take a CLIP",
            file.path
        )));
    }
    Ok(found)
}

/// What tells faces apart, how it wants its pictures, and what of a face it sees.
pub(super) async fn recogniser(
    file: &NamedFile,
    input: &Input,
    materials: &Materials,
    device: &Device,
) -> Result<(Rc<dyn Encoder>, Prepared, Cut)> {
    let source = roomy(file, materials, device).await?;
    if !Format::read(&*source).await?.holds_tensors() {
        let (network, input) = opened(file, input, materials, device)?;
        return Ok((Rc::new(network), input, Cut::Aligned));
    }
    let found = stored::encoder(source, Normalisation::Clip, device).await?;
    if found.kind != Kind::Facenet {
        return Err(Error::Request(format!(
            "{} is a CLIP, which tells no faces apart: take FaceNet's InceptionResnetV1, or an ONNX network",
            file.path
        )));
    }
    Ok((found.encoder, found.input.on(device)?, Cut::Bounds))
}

/// Weights for which the device has room.
async fn roomy(
    file: &NamedFile,
    materials: &Materials,
    device: &Device,
) -> Result<Rc<dyn WeightSource>> {
    let source = materials.source(file)?;
    require_room(file, source.size_bytes().await?, device)?;
    Ok(source)
}
