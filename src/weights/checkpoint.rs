//! A checkpoint: three networks, how they are configured, and the words they know.

use std::{
    collections::{BTreeMap, HashSet},
    rc::Rc,
};

use serde_json::Value;

use super::{
    header::Header,
    load::{Loaded, Progress, device_bytes, load},
    names::{self, Part},
    recognise::{Content, require_safetensors},
    sd15,
    source::{Files, WeightSource, read_text},
    tensors::Tensors,
};
use crate::{
    error::{Error, Result},
    models::Needed,
    tensor::{DType, Device},
};

/// Files of a checkpoint that describe and hold no weights, by their path in the diffusers layout. A single file that
/// Guidestar wrote carries them as metadata under the same names.
pub const DESCRIPTIONS: [&str; 9] = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "vae/config.json",
];

/// Which copy of the U-Net to take from a single file that has two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ema {
    /// The weights as training left them, which is what diffusers takes.
    #[default]
    Last,
    /// Their average over the training, when it is there.
    Averaged,
}

/// One network of a checkpoint.
#[derive(Clone)]
pub struct Component {
    /// Which.
    pub part: Part,
    /// Its configuration, the JSON that diffusers writes.
    pub config: String,
    /// Where that was, for messages.
    pub config_place: String,
    /// Its tensors.
    pub tensors: Tensors,
}

impl Component {
    /// Brings the parameters that a network needs to a device.
    ///
    /// # Errors
    /// When tensors are missing, superfluous or of another shape, cannot be read, or find no room.
    pub async fn load(
        &self,
        needed: &[Needed],
        device: &Device,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Loaded> {
        load(&self.tensors, needed, device, progress).await
    }

    /// Bytes the parameters that a network needs will take on a device.
    pub fn device_bytes(&self, needed: &[Needed], dtype: DType) -> u64 {
        device_bytes(needed, dtype)
    }
}

/// A checkpoint that has been opened: descriptions are read, weights are not.
#[derive(Clone)]
pub struct Checkpoint {
    /// What to call it in a message.
    pub place: String,
    /// Predicts the noise.
    pub unet: Component,
    /// Turns latents into pictures.
    pub vae: Component,
    /// Turns prompts into what the U-Net attends to.
    pub text_encoder: Component,
    /// The files that describe it, by their path in the diffusers layout.
    pub descriptions: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens a checkpoint in the diffusers layout: `unet/`, `vae/`, `text_encoder/`, `tokenizer/`, `scheduler/`.
    ///
    /// # Errors
    /// When a part is missing or unreadable, or it is a checkpoint of another kind.
    pub async fn open_files(files: &dyn Files) -> Result<Self> {
        let mut descriptions = BTreeMap::new();
        for path in DESCRIPTIONS {
            if let Some(source) = files.open(path).await? {
                descriptions.insert(path.to_owned(), read_text(&*source).await?);
            }
        }
        require_known_pipeline(&descriptions, files.place())?;
        let unet = open_part(files, Part::Unet, &descriptions).await?;
        require_plain_unet(&unet)?;
        Ok(Self {
            place: files.place().to_owned(),
            vae: open_part(files, Part::Vae, &descriptions).await?,
            text_encoder: open_part(files, Part::TextEncoder, &descriptions).await?,
            unet,
            descriptions,
        })
    }

    /// Opens a checkpoint in a single file, as most are shared.
    ///
    /// What it does not say of itself is Stable Diffusion 1.5's.
    ///
    /// # Errors
    /// When it is unreadable, or holds anything but a Stable Diffusion 1.x checkpoint.
    pub async fn open_file(source: Rc<dyn WeightSource>, ema: Ema) -> Result<Self> {
        require_safetensors(&*source).await?;
        let header = Header::read(&*source).await?;
        let place = source.place().to_owned();
        Content::of(&header).require_sd1(&place)?;
        let descriptions: BTreeMap<String, String> = DESCRIPTIONS
            .iter()
            .filter_map(|&path| Some((path.to_owned(), header.metadata.get(path)?.clone())))
            .collect();

        let averaged = averaged_names(&header, ema);
        let part = |part: Part| -> Result<Component> {
            let mut tensors = Tensors::default();
            tensors.add(source.clone(), &header, |name| {
                let name = averaged.original(name)?;
                let (found, name) = names::from_single_file(name)?;
                (found == part).then_some(name)
            })?;
            if tensors.stored().is_empty() {
                return Err(Error::Weights {
                    place: place.clone(),
                    problem: format!(
                        "it holds no tensors under {:?}: its {} is missing",
                        part.prefixes()[0],
                        part.folder()
                    ),
                });
            }
            let path = format!("{}/config.json", part.folder());
            let config = descriptions.get(&path).cloned();
            Ok(Component {
                part,
                config: config.unwrap_or_else(|| sd15::config(part).to_string()),
                config_place: format!("{place} ({path})"),
                tensors,
            })
        };
        Ok(Self {
            unet: part(Part::Unet)?,
            vae: part(Part::Vae)?,
            text_encoder: part(Part::TextEncoder)?,
            descriptions,
            place,
        })
    }

    /// One of its networks.
    pub fn component(&self, part: Part) -> &Component {
        match part {
            Part::Unet => &self.unet,
            Part::Vae => &self.vae,
            Part::TextEncoder => &self.text_encoder,
        }
    }

    /// How its noise is scheduled, the JSON that diffusers writes; Stable Diffusion 1.5's when it does not say.
    pub fn scheduler(&self) -> String {
        let text = self.descriptions.get("scheduler/scheduler_config.json");
        text.cloned()
            .unwrap_or_else(|| sd15::scheduler().to_string())
    }
}

/// Undoes the naming of averaged copies, or drops them.
struct Averaged<'a> {
    original: BTreeMap<String, &'a str>,
}

impl<'a> Averaged<'a> {
    /// The name a tensor stands for; `None` when another copy stands for it.
    fn original(&self, name: &'a str) -> Option<&'a str> {
        if name.starts_with(names::AVERAGED) {
            return self.original.get(name).copied();
        }
        let replaced = names::averaged(name).is_some_and(|copy| self.original.contains_key(&copy));
        (!replaced).then_some(name)
    }
}

fn averaged_names(header: &Header, ema: Ema) -> Averaged<'_> {
    let all = || header.entries.iter().map(|entry| entry.name.as_str());
    let copies: HashSet<&str> = all()
        .filter(|name| name.starts_with(names::AVERAGED))
        .collect();
    // diffusers calls it an average only from a hundred names on; a few counters alone are none.
    let there = copies.len() > 100;
    let original = match ema {
        Ema::Averaged if there => all()
            .filter(|name| !name.starts_with(names::AVERAGED))
            .filter_map(|name| Some((names::averaged(name)?, name)))
            .filter(|(copy, _)| copies.contains(copy.as_str()))
            .collect(),
        Ema::Averaged | Ema::Last => BTreeMap::new(),
    };
    Averaged { original }
}

async fn open_part(
    files: &dyn Files,
    part: Part,
    descriptions: &BTreeMap<String, String>,
) -> Result<Component> {
    let path = format!("{}/config.json", part.folder());
    let place = format!("{}/{path}", files.place());
    let Some(text) = descriptions.get(&path) else {
        return Err(Error::Weights {
            place: files.place().to_owned(),
            problem: format!(
                "it has no {path}: a folder in the diffusers layout has one, and a checkpoint in a single file is named \
                 itself"
            ),
        });
    };
    let mut tensors = Tensors::default();
    for source in weight_files(files, part).await? {
        require_safetensors(&*source).await?;
        let header = Header::read(&*source).await?;
        tensors.add(source, &header, |name| names::canonical(part, name))?;
    }
    Ok(Component {
        part,
        config: text.clone(),
        config_place: place,
        tensors,
    })
}

/// The files of a part's weights: one, or the shards that an index lists.
async fn weight_files(files: &dyn Files, part: Part) -> Result<Vec<Rc<dyn WeightSource>>> {
    let (folder, stem) = (part.folder(), part.stem());
    for variant in ["", ".fp16"] {
        if let Some(source) = files
            .open(&format!("{folder}/{stem}{variant}.safetensors"))
            .await?
        {
            return Ok(vec![source]);
        }
        let index = format!("{folder}/{stem}.safetensors.index{variant}.json");
        if let Some(source) = files.open(&index).await? {
            return shards(files, folder, &*source).await;
        }
    }
    for pickle in ["diffusion_pytorch_model.bin", "pytorch_model.bin"] {
        if let Some(source) = files.open(&format!("{folder}/{pickle}")).await? {
            require_safetensors(&*source).await?;
        }
    }
    Err(Error::Weights {
        place: files.place().to_owned(),
        problem: format!("it has no {folder}/{stem}.safetensors"),
    })
}

async fn shards(
    files: &dyn Files,
    folder: &str,
    index: &dyn WeightSource,
) -> Result<Vec<Rc<dyn WeightSource>>> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let wrong = |problem: String| Error::Weights {
        place: index.place().to_owned(),
        problem,
    };
    let list: Index = serde_json::from_str(&read_text(index).await?)
        .map_err(|error| wrong(format!("it is not the JSON it should be: {error}")))?;
    let mut names: Vec<String> = list.weight_map.into_values().collect();
    names.sort();
    names.dedup();
    let mut sources = Vec::new();
    for name in names {
        if name.contains(['/', '\\']) {
            return Err(wrong(format!("it lists {name:?}, which is not beside it")));
        }
        match files.open(&format!("{folder}/{name}")).await? {
            Some(source) => sources.push(source),
            None => {
                return Err(wrong(format!(
                    "it lists {name:?}, which is not there: fetch it too"
                )));
            }
        }
    }
    Ok(sources)
}

fn parse(text: &str, place: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error::Weights {
        place: place.to_owned(),
        problem: format!("it is not the JSON it should be: {error}"),
    })
}

/// Refuses what the model index says is another kind of pipeline.
fn require_known_pipeline(descriptions: &BTreeMap<String, String>, place: &str) -> Result<()> {
    let Some(text) = descriptions.get("model_index.json") else {
        return Ok(());
    };
    let index = parse(text, &format!("{place}/model_index.json"))?;
    let class = index["_class_name"].as_str().unwrap_or_default();
    let content = match class {
        _ if class.contains("XL") => Content::Sdxl,
        _ if class.starts_with("StableDiffusion3") => Content::Sd3,
        _ if class.starts_with("Flux") => Content::Flux,
        _ if class.contains("Inpaint") => Content::Sd1Inpainting,
        _ if class.contains("InstructPix2Pix") => Content::Sd1InstructPix2Pix,
        _ => Content::Sd1,
    };
    content.require_sd1(place)
}

/// Refuses U-Nets that are not Stable Diffusion 1.x's by what their config says.
fn require_plain_unet(unet: &Component) -> Result<()> {
    let config = parse(&unet.config, &unet.config_place)?;
    let content = match config["in_channels"].as_u64() {
        Some(9) => Content::Sd1Inpainting,
        Some(8) => Content::Sd1InstructPix2Pix,
        _ if config["addition_embed_type"].is_string() => Content::Sdxl,
        _ if config["cross_attention_dim"].as_u64() == Some(1024) => Content::Sd2,
        _ => Content::Sd1,
    };
    content.require_sd1(&unet.config_place)
}
