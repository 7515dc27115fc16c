//! From what a job spells to guides on a device.

use std::{collections::BTreeMap, rc::Rc};

use super::{Guiding, NamedFile, Reading, Target, network};
use crate::{
    error::{Error, Result},
    guidance::{
        network::matched::{Angle, Boxes, Cutout, Likeness, Meaning, Naming, Style},
        universal::{
            Aim, Guide,
            guides::{Observation, Operator, covering},
            scored,
        },
    },
    models::guides::Eyes,
    picture::Picture,
    session::{CheckedJob, Size},
    tensor::{Device, Tensor},
    tokenizer::Tokenizer,
    weights::{Memory, WeightSource, guides as networks, source::Files},
};

/// What guides are made of, by how a job names it: two files may have one name.
#[derive(Default)]
pub struct Materials {
    /// Pictures.
    pub pictures: BTreeMap<NamedFile, Picture>,
    /// The bytes of networks and embeddings.
    pub files: BTreeMap<NamedFile, Vec<u8>>,
    /// Weights that are read piece by piece instead, as they may be long.
    pub weights: BTreeMap<NamedFile, Rc<dyn WeightSource>>,
    /// Where the networks are that understand the default model's pictures (`models/guides`).
    pub matched: Option<Box<dyn Files>>,
    /// Cuts the texts of guides, as those networks read them.
    pub words: Option<Tokenizer>,
    /// Cuts the texts of guides as OpenAI's CLIP reads them, in a build that does not carry its words.
    pub clip_words: Option<Tokenizer>,
}

impl Materials {
    pub(super) fn picture(&self, file: &NamedFile) -> Result<&Picture> {
        let picture = self.pictures.get(file);
        picture.ok_or_else(|| {
            let path = &file.path;
            Error::Request(format!(
                "the picture {path:?} that a guide names was not read"
            ))
        })
    }

    pub(super) fn file(&self, file: &NamedFile) -> Result<&Vec<u8>> {
        let bytes = self.files.get(file);
        bytes.ok_or_else(|| {
            let path = &file.path;
            Error::Request(format!("the file {path:?} that a guide names was not read"))
        })
    }

    /// A file of weights, wherever it is.
    pub(super) fn source(&self, file: &NamedFile) -> Result<Rc<dyn WeightSource>> {
        if let Some(source) = self.weights.get(file) {
            return Ok(Rc::clone(source));
        }
        let bytes = self.file(file)?.clone();
        Ok(Rc::new(Memory::new(file.path.clone(), bytes)))
    }

    /// Eyes of this name, read when they are asked for first.
    pub(super) async fn eyes_once<'a>(
        &self,
        read: &'a mut Option<Rc<Eyes>>,
        name: &str,
        device: &Device,
    ) -> Result<&'a Rc<Eyes>> {
        let eyes = match read.take() {
            Some(eyes) => eyes,
            None => Rc::new(networks::eyes(self.matched()?, name, device).await?),
        };
        Ok(read.insert(eyes))
    }

    fn matched(&self) -> Result<&dyn Files> {
        self.matched.as_deref().ok_or_else(|| {
            Error::Request(
                "the networks that this guide needs do not come with this build".to_owned(),
            )
        })
    }

    /// A picture made to fit the one that is guided, `[1, H, W, 3]` in [0, 1].
    fn fitted(&self, file: &NamedFile, size: Size, device: &Device) -> Result<Tensor> {
        let picture = self.picture(file)?.to_unit(device);
        Ok(covering(&picture, [size.height_px, size.width_px]))
    }
}

impl CheckedJob {
    /// Its guides, ready on a device; none where it asks for none. They need no model.
    ///
    /// # Errors
    /// When something they are made of is missing or does not fit, or the device has no room.
    pub async fn aims(&self, materials: &Materials, device: &Device) -> Result<Vec<Aim>> {
        let guides = self.job().guide.as_ref().map(|guide| &guide.guides[..]);
        aims(guides.unwrap_or_default(), materials, self.size, device).await
    }
}

/// Guides, ready on a device for pictures of this size.
///
/// # Errors
/// When something they are made of is missing or does not fit, or the device has no room.
pub async fn aims(
    guides: &[Guiding],
    materials: &Materials,
    size: Size,
    device: &Device,
) -> Result<Vec<Aim>> {
    let mut eyes: Option<Rc<Eyes>> = None;
    let mut aims: Vec<Aim> = Vec::new();
    for guiding in guides {
        let target = &guiding.target;
        let name = free_name(target.name(), &aims);
        let guide: Rc<dyn Guide> = if let Target::Portrait { picture } = target {
            let knows = networks::eyes(materials.matched()?, "identity", device).await?;
            let picture = materials.picture(picture)?.to_unit(device);
            Rc::new(Likeness::new(&Rc::new(knows), &picture)?)
        } else if target.needs_eyes() {
            let opened = materials.eyes_once(&mut eyes, "eyes", device).await?;
            seen(target, opened, materials, size, device).await?
        } else if target.files().is_empty() {
            Rc::new(observed(target, materials, size, device)?)
        } else {
            network::guide(target, materials, size, device).await?
        };
        aims.push(Aim {
            name,
            guide,
            weight: guiding.weight,
            window: guiding.window,
        });
    }
    Ok(aims)
}

/// A guide's name, with a number where others are called so.
fn free_name(name: &str, taken: &[Aim]) -> String {
    let numbered = |number: usize| match number {
        1 => name.to_owned(),
        _ => format!("{name} {number}"),
    };
    let is_free = |name: &String| taken.iter().all(|aim| aim.name != *name);
    let mut names = (1..).map(numbered);
    names.find(is_free).expect("numbers do not end")
}

/// How good guides find a picture, each by its name; greater is better.
///
/// # Errors
/// When a guide cannot look at pictures of this size, or the device fails.
pub async fn scores(
    aims: &[Aim],
    picture: &Picture,
    device: &Device,
) -> Result<Vec<(String, f32)>> {
    let image = picture.to_unit(device);
    let mut scores = Vec::new();
    for aim in aims {
        let score = scored(&*aim.guide, &image).await?.read().await?[0];
        scores.push((aim.name.clone(), score));
    }
    Ok(scores)
}

/// A guide on the networks that understand the default model's pictures.
async fn seen(
    target: &Target,
    eyes: &Rc<Eyes>,
    materials: &Materials,
    size: Size,
    device: &Device,
) -> Result<Rc<dyn Guide>> {
    Ok(match target {
        Target::Segmentation {
            picture, reading, ..
        } => Rc::new(match reading {
            Reading::Mask => {
                let mask = white(materials.picture(picture)?, &picture.path, size, device)?;
                Cutout::mask(eyes, &mask).await?
            }
            Reading::Picture => {
                let picture = materials.picture(picture)?.to_unit(device);
                Cutout::picture(eyes, &picture).await?
            }
        }),
        Target::Detection { boxes, .. } => Rc::new(Boxes::new(eyes, boxes)?),
        Target::Style { picture, by, .. } => {
            let picture = materials.picture(picture)?.to_unit(device);
            Rc::new(Style::new(eyes, &picture, *by).await?)
        }
        Target::Class { name } => Rc::new(Naming::parse(eyes, name)?),
        Target::Text { text, .. } => {
            let Some(words) = &materials.words else {
                return Err(Error::Request(
                    "the words that this guide needs do not come with this build".to_owned(),
                ));
            };
            let tower = networks::text_tower(materials.matched()?, device).await?;
            let tokens = words.encode(text);
            let angle = Angle::default();
            Rc::new(Meaning::new(eyes, &tower, &tokens.ids, tokens.used, angle)?)
        }
        _ => unreachable!("{} needs no eyes", target.name()),
    })
}

/// A guide that needs no network.
fn observed(
    target: &Target,
    materials: &Materials,
    size: Size,
    device: &Device,
) -> Result<Observation> {
    let fitted = |file: &NamedFile| materials.fitted(file, size, device);
    let (operator, picture) = match target {
        Target::Inpaint { picture, mask } => {
            let known = white(materials.picture(mask)?, &mask.path, size, device)?;
            (Operator::Known(known), picture)
        }
        Target::Blur { picture, sigma } => {
            let kernel = 2 * (2.0 * sigma).ceil() as usize + 1;
            let sigma = *sigma;
            (Operator::Blurred { kernel, sigma }, picture)
        }
        Target::Enlarge { picture, factor } => (Operator::Shrunk(*factor), picture),
        Target::Edges { picture } => (Operator::Edges, picture),
        Target::Colour { rgb } => {
            let [h, w] = [size.height_px, size.width_px];
            let everywhere = device.tensor([1, h, w, 1], vec![1.0; h * w]);
            let rgb = rgb.map(|byte| f32::from(byte) / 255.0);
            return Observation::colour(rgb, &everywhere);
        }
        _ => unreachable!("{} needs a network", target.name()),
    };
    Observation::new(operator, &fitted(picture)?)
}

/// 1 where a mask is white, `[1, H, W, 1]`.
pub(super) fn white(mask: &Picture, name: &str, size: Size, device: &Device) -> Result<Tensor> {
    let [wide, tall] = [mask.width_px(), mask.height_px()];
    if [wide, tall] != [size.width_px, size.height_px] {
        return Err(Error::Request(format!(
            "the mask {name} is {wide}x{tall} and the picture {size}: make them the same size, or ask for --size {wide}x{tall}"
        )));
    }
    let elements: Vec<f32> = mask
        .light()
        .map(|light| f32::from(u8::from(light)))
        .collect();
    if !elements.contains(&1.0) {
        return Err(Error::Request(format!(
            "the mask {name} is black all over: paint white what it is to mark"
        )));
    }
    Ok(device.tensor([1, tall, wide, 1], elements))
}
