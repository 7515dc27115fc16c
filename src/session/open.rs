//! A model on a device, ready for jobs.

use std::rc::Rc;

use super::{Blueprint, CheckedJob, Event, Latents, Run, run::Start};
use crate::{
    error::Result,
    guidance::universal::Aim,
    models::{Autoencoder, ClipText, Needed, Unet},
    tensor::Device,
    tokenizer::Tokenizer,
    weights::{Checkpoint, Component, Loaded},
};

/// A model on a device, ready for jobs.
pub struct Session {
    pub(super) name: String,
    pub(super) blueprint: Blueprint,
    pub(super) tokenizer: Tokenizer,
    pub(super) text_encoder: ClipText,
    pub(super) unet: Rc<Unet>,
    pub(super) autoencoder: Rc<Autoencoder>,
    pub(super) device: Device,
}

impl Session {
    /// Brings a checkpoint to a device. Every name and shape is checked before the first weight is read.
    ///
    /// # Errors
    /// When the checkpoint does not describe itself, weights are missing, unreadable or of another shape, or the
    /// device has no room.
    pub async fn open(
        device: &Device,
        name: &str,
        checkpoint: &Checkpoint,
        progress: &mut dyn FnMut(Event),
    ) -> Result<Self> {
        let blueprint = Blueprint::read(checkpoint)?;
        let tokenizer = Tokenizer::from_descriptions(&checkpoint.descriptions)?;
        let needed = blueprint.needed()?;
        let parts = [
            (&checkpoint.text_encoder, &needed.text_encoder),
            (&checkpoint.unet, &needed.unet),
            (&checkpoint.vae, &needed.autoencoder),
        ];
        for (component, needed) in parts {
            crate::weights::load::check(&component.tensors, needed)?;
        }
        let [mut text_encoder, mut unet, mut autoencoder] = [
            part(device, parts[0], progress).await?,
            part(device, parts[1], progress).await?,
            part(device, parts[2], progress).await?,
        ];
        Ok(Self {
            name: name.to_owned(),
            tokenizer,
            text_encoder: ClipText::new(&blueprint.text_encoder, &mut text_encoder)?,
            unet: Rc::new(Unet::new(&blueprint.unet, &mut unet)?),
            autoencoder: Rc::new(Autoencoder::new(&blueprint.autoencoder, &mut autoencoder)?),
            device: device.clone(),
            blueprint,
        })
    }

    /// What a job must know of the model.
    pub fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// The device it is on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Begins a job: nothing is computed until the run is stepped.
    ///
    /// `latents` are what to begin with instead of noise. A job with guides is begun by [`Session::start_with`].
    ///
    /// # Errors
    /// When the steps do not fit the schedule, or the latents not the job.
    pub fn start(&self, job: CheckedJob, latents: Option<Latents>) -> Result<Run> {
        self.start_with(job, latents, Vec::new())
    }

    /// Begins a job that asks for guides, with what [`CheckedJob::aims`] made of them.
    ///
    /// # Errors
    /// As [`Session::start`], and when the guides are not the job's.
    pub fn start_with(
        &self,
        job: CheckedJob,
        latents: Option<Latents>,
        aims: Vec<Aim>,
    ) -> Result<Run> {
        let prompt = self.tokenizer.encode(&job.job().prompt);
        let negative = self.tokenizer.encode(&job.job().negative);
        let mut warnings = Vec::new();
        for (what, tokens) in [("prompt", &prompt), ("negative prompt", &negative)] {
            if !tokens.lost.is_empty() {
                warnings.push(cut(what, self.tokenizer.length(), &tokens.lost));
            }
        }
        let contexts = self.text_encoder.forward(&[negative.ids, prompt.ids]);
        Run::new(Start {
            model: self.name.clone(),
            unet: self.unet.clone(),
            autoencoder: self.autoencoder.clone(),
            schedule: &self.blueprint.schedule,
            contexts,
            latents,
            lent: None,
            aims,
            warnings,
            job,
        })
    }
}

async fn part(
    device: &Device,
    (component, needed): (&Component, &Vec<Needed>),
    progress: &mut dyn FnMut(Event),
) -> Result<Loaded> {
    let name = component.part.folder();
    component
        .load(needed, device, &mut |at| {
            progress(Event::Loading {
                part: name.to_owned(),
                done_bytes: at.done_bytes,
                total_bytes: at.total_bytes,
            });
        })
        .await
}

/// How many lost words a warning spells out.
const NAMED: usize = 12;

/// What to say of a prompt that was cut.
pub(super) fn cut(what: &str, length: usize, lost: &[String]) -> String {
    let named = lost[..lost.len().min(NAMED)].join(" ");
    let more = match lost.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "the {what} is longer than the {} tokens the model reads; it does not see: {named}{more}",
        length - 2
    )
}
