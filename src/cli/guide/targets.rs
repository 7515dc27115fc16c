//! The flags of what guides pull towards, as plain data.

use std::path::{Path, PathBuf};

use clap::Args;

use super::networks::Networks;
use crate::{
    cli::materials,
    error::{Error, Result},
    guidance::network::matched::{Boxed, Trait},
    picture::{self, file},
    session::{Target, guide::Reading},
};

/// What guides pull towards.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Guides, one or several together")]
pub struct Targets {
    /// Keep the parts of this picture that are white in --mask, and invent the rest.
    #[arg(long, value_name = "IMAGE", requires = "mask")]
    pub inpaint: Option<PathBuf>,
    /// White where the picture to inpaint is known, of the size that is made.
    #[arg(long, value_name = "IMAGE", requires = "inpaint")]
    pub mask: Option<PathBuf>,
    /// Look like this picture when both are blurred.
    #[arg(long, value_name = "IMAGE")]
    pub blur: Option<PathBuf>,
    /// Deviation of that blur in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 3.0)]
    pub sigma: f64,
    /// Look like this picture when both are shrunk.
    #[arg(long, value_name = "IMAGE")]
    pub enlarge: Option<PathBuf>,
    /// How many times smaller both are looked at.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub factor: usize,
    /// Have the edges of this picture.
    #[arg(long, value_name = "IMAGE")]
    pub edges: Option<PathBuf>,
    /// Have this mean colour, as #rrggbb.
    #[arg(long, value_name = "COLOUR", alias = "color", value_parser = colour)]
    pub colour: Option<Rgb>,
    /// A thing of this shape: white where it is to be, in a mask of the picture's size; or a picture of such a thing.
    #[arg(long, value_name = "MASK|IMAGE", visible_alias = "segment")]
    pub segmentation: Option<PathBuf>,
    /// A thing in this place, and no others: "dog 0.1,0.2,0.5,0.9", left, top, right and bottom; repeat for more.
    #[arg(long = "box", value_name = "BOX", value_parser = boxed)]
    pub boxed: Vec<Boxed>,
    /// More of them, from a JSON file: [{"thing": "dog", "bounds": [0.1, 0.2, 0.5, 0.9]}].
    #[arg(long, value_name = "FILE")]
    pub boxes: Option<PathBuf>,
    /// Have the style of this picture.
    #[arg(long, value_name = "IMAGE")]
    pub style: Option<PathBuf>,
    /// What counts as style: gram (colours and textures), or embedding (what it shows too).
    #[arg(long, value_name = "NAME", default_value = "gram", value_parser = style_by)]
    pub style_by: Trait,
    /// Show what these words say.
    #[arg(long, value_name = "WORDS")]
    pub text: Option<String>,
    /// Be named so: dog, or dye=red; the message for a wrong one lists them.
    #[arg(long, value_name = "NAME")]
    pub class: Option<String>,
    /// Show the drawn person of this picture, with any face and anywhere.
    #[arg(long, value_name = "IMAGE")]
    pub portrait: Option<PathBuf>,
    /// What networks from files are to say.
    #[command(flatten)]
    pub networks: Networks,
}

/// Red, green and blue.
#[derive(Clone, Copy, Debug)]
pub struct Rgb(pub [u8; 3]);

fn colour(text: &str) -> Result<Rgb, String> {
    let wrong = || format!("{text:?} is no colour: write it as #rrggbb");
    let digits = text.strip_prefix('#').unwrap_or(text);
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong());
    Ok(Rgb([byte(0)?, byte(2)?, byte(4)?]))
}

pub fn boxed(text: &str) -> Result<Boxed, String> {
    Boxed::parse(text).map_err(|error| error.to_string())
}

fn style_by(text: &str) -> Result<Trait, String> {
    match text {
        "gram" => Ok(Trait::Gram),
        "embedding" => Ok(Trait::Embedding),
        _ => Err("choose gram or embedding".to_owned()),
    }
}

/// Whether a picture is a mask: all but a few of its pixels, at edges, are black or white.
fn reading(path: &Path) -> Result<Reading> {
    let place = path.display();
    let wrong = |error| Error::Request(format!("{place}: {error}"));
    let picture = picture::open(&file::read(path)?).map_err(wrong)?.picture;
    let pixels = picture.rgb().chunks(3);
    let count = pixels.len();
    let plain = pixels.filter(|pixel| {
        let [least, greatest] = [pixel.iter().min(), pixel.iter().max()];
        greatest < Some(&SURELY_BLACK) || least > Some(&SURELY_WHITE)
    });
    Ok(if plain.count() * 20 >= count * 19 {
        Reading::Mask
    } else {
        Reading::Picture
    })
}

const SURELY_BLACK: u8 = 24;
const SURELY_WHITE: u8 = 231;

impl Targets {
    /// The guides, as a job spells them.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn spelled(&self) -> Result<Vec<Target>> {
        let named = |path: &PathBuf| materials::named(path);
        let mut targets = Vec::new();
        if let (Some(picture), Some(mask)) = (&self.inpaint, &self.mask) {
            targets.push(Target::Inpaint {
                picture: named(picture)?,
                mask: named(mask)?,
            });
        }
        if let Some(picture) = &self.blur {
            targets.push(Target::Blur {
                picture: named(picture)?,
                sigma: self.sigma,
            });
        }
        if let Some(picture) = &self.enlarge {
            targets.push(Target::Enlarge {
                picture: named(picture)?,
                factor: self.factor,
            });
        }
        if let Some(picture) = &self.edges {
            let picture = named(picture)?;
            targets.push(Target::Edges { picture });
        }
        if let Some(Rgb(rgb)) = self.colour {
            targets.push(Target::Colour { rgb });
        }
        self.add_seen(&mut targets)?;
        self.networks.add(&mut targets)?;
        Ok(targets)
    }

    /// Adds what the networks look for that understand the default model's pictures.
    fn add_seen(&self, targets: &mut Vec<Target>) -> Result<()> {
        if let Some(path) = &self.segmentation {
            targets.push(Target::Segmentation {
                picture: materials::named(path)?,
                reading: reading(path)?,
                network: self.networks.segmenter()?,
                class: self.networks.segment_class.clone(),
                elsewhere: self.networks.segment_elsewhere.clone(),
            });
        }
        let mut boxes = self.boxed.clone();
        if let Some(path) = &self.boxes {
            let place = path.display();
            let listed: Vec<Boxed> = serde_json::from_slice(&file::read(path)?)
                .map_err(|error| Error::Request(format!("{place} is no list of boxes: {error}")))?;
            boxes.extend(listed);
        }
        if !boxes.is_empty() || self.boxes.is_some() {
            targets.push(Target::Detection {
                boxes,
                network: self.networks.box_detector()?,
            });
        }
        if let Some(path) = &self.style {
            targets.push(Target::Style {
                picture: materials::named(path)?,
                by: self.style_by,
                network: self.networks.clip()?,
                normalisation: self.networks.clip_colours,
            });
        }
        if let Some(text) = &self.text {
            let text = text.clone();
            targets.push(Target::Text {
                text,
                network: self.networks.clip()?,
                normalisation: self.networks.clip_colours,
            });
        }
        if let Some(name) = &self.class {
            let name = name.clone();
            targets.push(Target::Class { name });
        }
        if let Some(path) = &self.portrait {
            let picture = materials::named(path)?;
            targets.push(Target::Portrait { picture });
        }
        Ok(())
    }
}
