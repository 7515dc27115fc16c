//! Universal guidance as a job asks for it: which guides, towards what, and how.

use std::{collections::BTreeMap, rc::Rc};

use serde::{Deserialize, Serialize};

use super::{CheckedJob, Job, SamplerName, Size};
use crate::{
    diffusion::{Noise, noise},
    error::{Error, Result},
    guidance::universal::{
        Aim, Preset, Settings, Universal, Window,
        guides::{Observation, Operator, covering},
    },
    models::Autoencoder,
    picture::Picture,
    tensor::{Device, Tensor},
};

/// What the noise of recurrences is drawn from: the picture's seed with these bits turned, so that it is another stream.
const RENOISE: u64 = 0x7265_6e6f_6973_6521;

/// What a guide pulls towards. Pictures are named by the file they were read from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "guide", rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// A picture of which the parts that are white in the mask stay.
    Inpaint {
        /// The picture.
        picture: String,
        /// White where it is known, of the size asked for.
        mask: String,
    },
    /// A picture that looks like this one when both are blurred.
    Blur {
        /// The picture.
        picture: String,
        /// The blur's standard deviation in pixels.
        sigma: f64,
    },
    /// A picture that looks like this one when both are shrunk.
    Enlarge {
        /// The picture.
        picture: String,
        /// How many times smaller both are looked at.
        factor: usize,
    },
    /// A picture with the edges of this one.
    Edges {
        /// The picture.
        picture: String,
    },
    /// A picture whose mean colour is this one.
    Colour {
        /// Red, green and blue, 0 to 255.
        rgb: [u8; 3],
    },
}

impl Target {
    /// The files it names.
    pub fn files(&self) -> Vec<&str> {
        match self {
            Self::Inpaint { picture, mask } => vec![picture, mask],
            Self::Blur { picture, .. }
            | Self::Enlarge { picture, .. }
            | Self::Edges { picture } => vec![picture],
            Self::Colour { .. } => Vec::new(),
        }
    }
}

/// A guide of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guiding {
    /// What it pulls towards.
    pub target: Target,
    /// How much it counts among others.
    pub weight: f64,
    /// The steps in which it counts.
    pub window: Window,
}

/// Universal guidance as a job asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuideJob {
    /// Where the settings come from.
    pub preset: Preset,
    /// Which parts are used, and how strongly.
    pub settings: Settings,
    /// The guides.
    pub guides: Vec<Guiding>,
}

/// Pictures by the names that a job gives them.
pub type Pictures = BTreeMap<String, Picture>;

impl GuideJob {
    /// Refuses what can never work.
    ///
    /// # Errors
    /// [`Error::Request`] in one sentence that says what would be right.
    pub fn check(&self, job: &Job) -> Result<()> {
        self.settings.check().map_err(Error::Request)?;
        let wrong = |text: &str| Err(Error::Request(text.to_owned()));
        if self.guides.is_empty() {
            return wrong(
                "there is nothing to guide towards: name a guide, such as --colour \"#3060c0\"",
            );
        }
        if job.sampler == SamplerName::Pndm {
            return wrong("guides need a sampler that remembers nothing: use --sampler ddim");
        }
        if let Some(guide) = self.guides.iter().find(|guide| !guide.weight.is_finite()) {
            return Err(Error::Request(format!(
                "a weight of {} is no number to work with",
                guide.weight
            )));
        }
        Ok(())
    }

    /// The guides, ready on a device.
    ///
    /// # Errors
    /// When a picture is missing, does not fit, or the device has no room.
    pub fn aims(&self, pictures: &Pictures, size: Size, device: &Device) -> Result<Vec<Aim>> {
        let aims = self.guides.iter().map(|guiding| {
            Ok(Aim {
                guide: Rc::new(observation(&guiding.target, pictures, size, device)?),
                weight: guiding.weight,
                window: guiding.window,
            })
        });
        aims.collect()
    }

    /// What guides one picture.
    pub(super) fn universal(
        &self,
        aims: &[Aim],
        autoencoder: &Rc<Autoencoder>,
        job: &CheckedJob,
        seed: u64,
    ) -> Universal {
        let source = job.quirks.noise.unwrap_or_default();
        let mut streams = vec![Noise::new(source, seed ^ RENOISE)];
        Universal {
            settings: self.settings.clone(),
            aims: aims.to_vec(),
            autoencoder: autoencoder.clone(),
            noise: Box::new(move |device, shape| noise::latents(&mut streams, device, shape)),
        }
    }
}

fn observation(
    target: &Target,
    pictures: &Pictures,
    size: Size,
    device: &Device,
) -> Result<Observation> {
    let dims = [size.height_px, size.width_px];
    let named = |name: &str| {
        pictures.get(name).ok_or_else(|| {
            Error::Request(format!(
                "the picture {name:?} that a guide names was not read"
            ))
        })
    };
    // Pictures of another size are made to fit.
    let fitted = |name: &str| named(name).map(|picture| covering(&picture.to_unit(device), dims));
    match target {
        Target::Inpaint { picture, mask } => {
            let known = known(named(mask)?, mask, size, device)?;
            Observation::new(Operator::Known(known), &fitted(picture)?)
        }
        Target::Blur { picture, sigma } => {
            if !sigma.is_finite() || *sigma <= 0.0 {
                return Err(Error::Request(format!(
                    "a blur of {sigma} pixels is none: use a number above 0"
                )));
            }
            let kernel = 2 * (2.0 * sigma).ceil() as usize + 1;
            let blurred = Operator::Blurred {
                kernel,
                sigma: *sigma,
            };
            Observation::new(blurred, &fitted(picture)?)
        }
        Target::Enlarge { picture, factor } => {
            Observation::new(Operator::Shrunk(*factor), &fitted(picture)?)
        }
        Target::Edges { picture } => Observation::new(Operator::Edges, &fitted(picture)?),
        Target::Colour { rgb } => {
            let everywhere = device.tensor([1, dims[0], dims[1], 1], vec![1.0; dims[0] * dims[1]]);
            Observation::colour(rgb.map(|byte| f32::from(byte) / 255.0), &everywhere)
        }
    }
}

/// 1 where a mask is lighter than the middle, `[1, H, W, 1]`.
fn known(mask: &Picture, name: &str, size: Size, device: &Device) -> Result<Tensor> {
    let [wide, tall] = [mask.width_px(), mask.height_px()];
    if [wide, tall] != [size.width_px, size.height_px] {
        return Err(Error::Request(format!(
            "the mask {name} is {wide}x{tall} and the picture {size}: make them the same size, or ask for --size {wide}x{tall}"
        )));
    }
    let light = |pixel: &[u8]| {
        f32::from(u8::from(
            pixel.iter().map(|&c| u32::from(c)).sum::<u32>() > 382,
        ))
    };
    let elements: Vec<f32> = mask.rgb().chunks(3).map(light).collect();
    if !elements.contains(&1.0) {
        return Err(Error::Request(format!(
            "the mask {name} is black all over: white is what is known of the picture"
        )));
    }
    Ok(device.tensor([1, tall, wide, 1], elements))
}
