//! What a job takes, stated before a byte of it is allocated.

use std::rc::Rc;

use super::{Blueprint, CheckedJob, NeededParts, assemble};
use crate::{
    error::{Error, Result},
    guidance::universal::rehearsal,
    models::{Autoencoder, ClipText, Recorder, Unet, unet::NoTap},
    tensor::{Device, Tensor},
};

/// Bytes that a job takes on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Weights of all networks.
    pub weight_bytes: u64,
    /// The most that intermediate results take at one time, in whichever network takes most.
    pub intermediate_bytes: u64,
}

impl Needs {
    /// Finds out what a job takes by planning its networks without numbers.
    ///
    /// # Errors
    /// When the settings describe a network that cannot be built.
    pub fn of(blueprint: &Blueprint, job: &CheckedJob, device: &Device) -> Result<Self> {
        let planner = device.estimator();
        let numbers = |shape: &[usize]| planner.tensor(shape.to_vec(), zeros(shape));
        let text_encoder = Recorder::build_on(&planner, |parameters| {
            ClipText::new(&blueprint.text_encoder, parameters)
        })?;
        let tokens = blueprint.text_encoder.max_position_embeddings;
        let texts = text_encoder.forward(&[vec![0; tokens], vec![0; tokens]]);

        let unet = Recorder::build_on(&planner, |parameters| {
            Unet::new(&blueprint.unet, parameters)
        })?;
        let [h, w] = job.latent_size();
        let contexts = numbers(&[2, tokens, blueprint.text_encoder.hidden_size]);
        let edit = job.job().edit.as_ref();
        let parts = assemble::Parts {
            unet: Rc::new(unet),
            walk: assemble::walk(job, &blueprint.schedule)?,
            lent: edit.map(|edit| {
                let texts = edit.source_texts(job.has_uncond());
                assemble::Lent::blank(&contexts, texts, [h, w])
            }),
            contexts,
        };
        let eps = costliest(job, &parts, &numbers(&[1, h, w, 4]))?;

        let autoencoder = Recorder::build_on(&planner, |parameters| {
            Autoencoder::new(&blueprint.autoencoder, parameters)
        })?;
        let image = autoencoder.decode(&numbers(&[1, h, w, 4]));

        let mut results = vec![texts, eps, image];
        if let Some(guide) = &job.job().guide {
            let mut denoiser = assemble::denoiser(job, &parts)?;
            let x = numbers(&[1, h, w, 4]);
            let (from, _) = parts.walk[0];
            let settings = guide.settings();
            let gradient = rehearsal(&settings, &mut denoiser, &autoencoder, &x, from)?;
            results.push(gradient);
        }
        let intermediate = results
            .iter()
            .map(|result| planner.footprint(&[result]).intermediate_bytes)
            .max();
        let needed: NeededParts = blueprint.needed()?;
        Ok(Self {
            weight_bytes: needed.device_bytes(device.dtype()),
            intermediate_bytes: intermediate.unwrap_or(0),
        })
    }

    /// Bytes in all.
    pub fn total_bytes(&self) -> u64 {
        self.weight_bytes + self.intermediate_bytes
    }

    /// Refuses what the device has no room for, where it says how much it has.
    ///
    /// # Errors
    /// [`Error::Memory`]
    pub fn require_room(&self, job: &CheckedJob, device: &Device) -> Result<()> {
        let info = device.info();
        let Some(available_bytes) = info.memory_bytes else {
            return Ok(());
        };
        if self.total_bytes() <= available_bytes {
            return Ok(());
        }
        let advice = if self.weight_bytes > available_bytes {
            "use a smaller model, a device with more memory, or --precision f16 on a GPU"
        } else {
            "ask for a smaller --size"
        };
        Err(Error::Memory {
            what: format!("a picture of {}", job.size),
            place: info.name.clone(),
            needed_bytes: self.total_bytes(),
            available_bytes,
            advice: advice.to_owned(),
        })
    }
}

/// The first step in which everything the job asks for is done; windows may leave techniques out of some.
fn costliest(job: &CheckedJob, parts: &assemble::Parts, x: &Tensor) -> Result<Tensor> {
    let mut denoiser = assemble::denoiser(job, parts)?;
    let (from, _) = parts.walk[0];
    Ok(denoiser.predict(x, from, &mut NoTap)?.eps)
}

fn zeros(shape: &[usize]) -> Vec<f32> {
    vec![0.0; shape.iter().product()]
}
