//! Encoders that others have published, read from their weight files and known by what is in them.

use std::rc::Rc;

use super::{
    header::Header, load::load, openai, source::WeightSource, tensors::Tensors,
    torch_file::any_header,
};
use crate::{
    error::{Error, Result},
    models::{
        Input, Parameters, Recorder, Resampling,
        config::ClipTextConfig,
        guides::TextTower,
        published::{
            ClipResnet, ClipResnetConfig, ClipVision, ClipVisionConfig, Encoder, InceptionResnet,
            InceptionResnetConfig, Lraspp, LrasppConfig, Normalisation,
        },
    },
    tensor::Device,
};

/// Features of a head in every CLIP.
const HEAD: usize = 64;

/// An encoder, and what else its file held.
pub struct Published {
    /// What it is.
    pub kind: Kind,
    /// The encoder.
    pub encoder: Rc<dyn Encoder>,
    /// How it wants its pictures.
    pub input: Input,
    /// CLIP's text encoder, where the file has that too.
    pub text: Option<TextTower>,
}

/// Which encoder it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// CLIP with a transformer.
    ClipVision,
    /// CLIP with a residual network.
    ClipResnet,
    /// `FaceNet`'s.
    Facenet,
}

/// Which encoder a file holds, by a tensor that only it has.
enum Found {
    Vision(ClipVisionConfig),
    Resnet(ClipResnetConfig),
    Facenet,
}

/// Reads a safetensors file or one of PyTorch's: CLIP as transformers stores it, CLIP with a residual network under `OpenAI`'s
/// names, or `FaceNet`'s embedder under those of facenet-pytorch.
///
/// # Errors
/// When it holds none of them, is not whole, or the device has no room.
pub async fn encoder(
    source: Rc<dyn WeightSource>,
    normalisation: Normalisation,
    device: &Device,
) -> Result<Published> {
    let header = any_header(&*source).await?;
    let shapes = Shapes(&header);
    let Some(kind) = shapes.kind() else {
        return Err(Error::Weights {
            place: source.place().to_owned(),
            problem: "it holds no encoder that is known here: CLIP from transformers, CLIP's RN50 with OpenAI's names, or facenet-pytorch's InceptionResnetV1".to_owned(),
        });
    };
    let reading = |wanted: &'static [&'static str]| {
        let mut tensors = Tensors::default();
        let kept = move |name: &str| {
            let counted = name.ends_with("num_batches_tracked") || name.ends_with("position_ids");
            let own = wanted.is_empty() || wanted.iter().any(|head| name.starts_with(head));
            (own && !counted && !name.starts_with("logits."))
                .then(|| name.replace("text_projection", "project"))
        };
        tensors.add(Rc::clone(&source), &header, kept)?;
        Ok(tensors)
    };
    match kind {
        Found::Vision(config) => {
            let tensors = reading(&["vision_model.", "visual_projection."])?;
            let encoder = build(&tensors, device, |p| ClipVision::new(&config, p)).await?;
            let text = match shapes.text() {
                Some((config, width)) => {
                    let tensors = reading(&["text_model.", "text_projection."])?;
                    Some(build(&tensors, device, |p| TextTower::new(&config, width, p)).await?)
                }
                None => None,
            };
            Ok(Published {
                kind: Kind::ClipVision,
                encoder: Rc::new(encoder),
                input: normalisation.input(config.image_size),
                text,
            })
        }
        Found::Resnet(config) => {
            let tensors = reading(&["visual."])?;
            let encoder = build(&tensors, device, |p| ClipResnet::new(&config, p)).await?;
            let header = openai::text(&header);
            let text = match Shapes(&header).text() {
                Some((config, width)) => {
                    let mut tensors = Tensors::default();
                    tensors.add(Rc::clone(&source), &header, |name| Some(name.to_owned()))?;
                    let tower = |p: &mut dyn Parameters| TextTower::openai(&config, width, p);
                    Some(build(&tensors, device, tower).await?)
                }
                None => None,
            };
            Ok(Published {
                kind: Kind::ClipResnet,
                encoder: Rc::new(encoder),
                input: normalisation.input(config.image_size),
                text,
            })
        }
        Found::Facenet => {
            let config = InceptionResnetConfig::facenet();
            let tensors = reading(&[])?;
            let encoder = build(&tensors, device, |p| InceptionResnet::new(&config, p)).await?;
            Ok(Published {
                kind: Kind::Facenet,
                encoder: Rc::new(encoder),
                input: facenet_input(),
                text: None,
            })
        }
    }
}

/// Reads torchvision's `lraspp_mobilenet_v3_large` from a safetensors file or one of PyTorch's, under the names it has there.
///
/// # Errors
/// When it holds another network, is not whole, or the device has no room.
pub async fn segmenter(source: Rc<dyn WeightSource>, device: &Device) -> Result<Lraspp> {
    let header = any_header(&*source).await?;
    let mut tensors = Tensors::default();
    let kept = |name: &str| (!name.ends_with("num_batches_tracked")).then(|| name.to_owned());
    tensors.add(source, &header, kept)?;
    let config = LrasppConfig::voc();
    build(&tensors, device, |p| Lraspp::new(&config, p)).await
}

/// How facenet-pytorch's embedder wants faces: 160 pixels a side, `(v - 127.5) / 128`.
pub fn facenet_input() -> Input {
    Input {
        size: Some([160; 2]),
        resampling: Resampling::Bicubic,
        antialias: false,
        scale: 255.0,
        mean: [127.5; 3],
        std: [128.0; 3],
        ..Input::default()
    }
}

/// What a file's tensors are shaped like.
pub(super) struct Shapes<'a>(pub(super) &'a Header);

impl Shapes<'_> {
    pub(super) fn of(&self, name: &str) -> Option<&[usize]> {
        let entry = self.0.entries.iter().find(|entry| entry.name == name);
        entry.map(|entry| &entry.shape[..])
    }

    /// How many there are of a numbered part, by a tensor of each.
    pub(super) fn count(&self, before: &str, after: &str) -> usize {
        let there = |at: &usize| self.of(&format!("{before}{at}{after}")).is_some();
        (0..self.0.entries.len()).take_while(there).count()
    }

    fn kind(&self) -> Option<Found> {
        let vision = self.of("vision_model.embeddings.patch_embedding.weight");
        if let Some(&[hidden, _, patch, _]) = vision {
            let places = self.of("vision_model.embeddings.position_embedding.weight")?;
            let layers = "vision_model.encoder.layers.";
            return Some(Found::Vision(ClipVisionConfig {
                hidden_size: hidden,
                intermediate_size: self.of(&format!("{layers}0.mlp.fc1.weight"))?[0],
                num_hidden_layers: self.count(layers, ".mlp.fc1.weight"),
                num_attention_heads: hidden / HEAD,
                image_size: places[0].checked_sub(1)?.isqrt() * patch,
                patch_size: patch,
                projection_dim: self.of("visual_projection.weight")?[0],
            }));
        }
        if let Some(&[places, channels]) = self.of("visual.attnpool.positional_embedding") {
            let blocks = |stage| self.count(&format!("visual.layer{stage}."), ".conv1.weight");
            return Some(Found::Resnet(ClipResnetConfig {
                layers: [1, 2, 3, 4].map(blocks),
                width: self.of("visual.conv3.weight")?[0],
                heads: channels / HEAD,
                image_size: places.checked_sub(1)?.isqrt() * 32,
                embedding: self.of("visual.attnpool.c_proj.weight")?[0],
            }));
        }
        self.of("conv2d_1a.conv.weight").map(|_| Found::Facenet)
    }

    /// The text encoder's sizes, and those of its embeddings.
    fn text(&self) -> Option<(ClipTextConfig, usize)> {
        let &[vocab_size, hidden_size] = self.of("text_model.embeddings.token_embedding.weight")?
        else {
            return None;
        };
        let layers = "text_model.encoder.layers.";
        let config = ClipTextConfig {
            vocab_size,
            hidden_size,
            intermediate_size: self.of(&format!("{layers}0.mlp.fc1.weight"))?[0],
            num_hidden_layers: self.count(layers, ".mlp.fc1.weight"),
            num_attention_heads: hidden_size / HEAD,
            max_position_embeddings: self.of("text_model.embeddings.position_embedding.weight")?[0],
            ..ClipTextConfig::sd15()
        };
        let projected = self.of("text_projection.weight").map(|shape| shape[0]);
        let projected = projected.or_else(|| Some(*self.of("text_projection")?.get(1)?));
        Some((config, projected?))
    }
}

pub(super) async fn build<T>(
    tensors: &Tensors,
    device: &Device,
    new: impl Fn(&mut dyn Parameters) -> Result<T>,
) -> Result<T> {
    let needed = Recorder::record(&new)?;
    let mut loaded = load(tensors, &needed, device, &mut |_| ()).await?;
    new(&mut loaded)
}
