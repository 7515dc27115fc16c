//! What the latents of a source depend on, so that they are found again, and never mistaken for another's.

use serde::{Deserialize, Serialize};

use super::{
    CheckedJob, Size,
    edit::{Encoding, Source, SourceLatents},
};
use crate::{
    diffusion::{
        Inversion, NoiseSource,
        schedule::{Ending, Evaluation, PredictionType, Spacing},
    },
    error::{Error, Result},
    picture::Picture,
    tensor::DType,
    weights::fingerprint::sha256,
};

/// The format of stored trajectories.
const VERSION: u32 = 2;

/// Everything that the latents of a source depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    version: u32,
    /// The model's fingerprint.
    model: String,
    /// How numbers were stored meanwhile.
    precision: String,
    /// The size of the picture.
    pub size: Size,
    source: Of,
    /// Steps of the inversion, or of the sampling.
    pub steps: usize,
    /// Whose timestep the network was told.
    pub inversion: Inversion,
    /// Which latents stand for the source.
    pub source_latents: SourceLatents,
    /// How a picture became latents.
    pub encoding: Encoding,
    evaluation: Evaluation,
    spacing: Option<Spacing>,
    ending: Option<Ending>,
    prediction: PredictionType,
}

/// What the latents are of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    Picture {
        /// The SHA-256 of its pixels in the model's size.
        pixels: String,
        prompt: String,
        /// Where the encoder's distribution is sampled.
        seed: Option<(u64, NoiseSource)>,
    },
    Generated {
        prompt: String,
        negative: String,
        cfg_scale: f64,
        seed: u64,
        noise: NoiseSource,
    },
}

impl Origin {
    /// What the source of a job's edit depends on; `picture` is the source in the job's size, where it is a picture.
    ///
    /// # Panics
    /// When the job is no edit, or the picture is missing.
    pub fn new(job: &CheckedJob, model: &str, picture: Option<&Picture>, dtype: DType) -> Self {
        let edit = job.job().edit.as_ref().expect("the job is an edit");
        let quirks = &job.quirks;
        let noise = quirks.noise.unwrap_or_default();
        let encoding = quirks.edit.encoding.unwrap_or_default();
        let source = match &edit.source {
            Source::Picture { prompt, .. } => Of::Picture {
                pixels: sha256(picture.expect("the source is a picture").rgb()),
                prompt: prompt.clone(),
                seed: (encoding == Encoding::Sample).then_some((job.job().seed, noise)),
            },
            Source::Generated {
                prompt,
                negative,
                seed,
                cfg_scale,
            } => Of::Generated {
                prompt: prompt.clone(),
                negative: negative.clone(),
                cfg_scale: cfg_scale.unwrap_or(job.cfg_scale),
                seed: *seed,
                noise,
            },
        };
        Self {
            version: VERSION,
            model: model.to_owned(),
            precision: match dtype {
                DType::F16 => "f16",
                DType::F32 => "f32",
            }
            .to_owned(),
            size: job.size,
            source,
            steps: edit.inversion_steps(),
            inversion: quirks.edit.inversion.unwrap_or_default(),
            source_latents: quirks.edit.source_latents.unwrap_or_default(),
            encoding,
            evaluation: quirks.evaluation.unwrap_or_default(),
            spacing: quirks.spacing,
            ending: quirks.ending,
            prediction: job.prediction,
        }
    }

    /// A name that no other origin has.
    ///
    /// # Panics
    /// Never: an origin has nothing that JSON cannot say.
    pub fn name(&self) -> String {
        let json = serde_json::to_vec(self).expect("an origin is strings and finite numbers");
        sha256(&json)
    }

    /// Refuses a stored trajectory that is not of what is asked for. In how many steps it was found, and by which variant, is
    /// left to whoever chose it.
    ///
    /// # Errors
    /// [`Error::Request`] in one sentence that says what differs.
    pub fn require(&self, asked: &Self, place: &str) -> Result<()> {
        let differs = if self.model != asked.model {
            "was found with another model: invert again, or name that model with --model".to_owned()
        } else if self.size != asked.size {
            format!(
                "is for pictures of {}, and {} is asked for: invert again, or ask for that --size",
                self.size, asked.size
            )
        } else if self.prediction != asked.prediction {
            "was found with another --prediction: invert again".to_owned()
        } else {
            match (&self.source, &asked.source) {
                (Of::Picture { pixels, .. }, Of::Picture { pixels: other, .. })
                    if pixels != other =>
                {
                    "is of another picture, or of another part of it: invert this one".to_owned()
                }
                (Of::Picture { prompt, .. }, Of::Picture { prompt: other, .. })
                    if prompt != other =>
                {
                    format!(
                        "was found with the prompt {prompt:?}, and {other:?} is asked for: invert again"
                    )
                }
                (Of::Picture { .. }, Of::Picture { .. }) => return Ok(()),
                (own, other) if own == other => return Ok(()),
                _ => "is of another source: leave --trajectory out to find its latents".to_owned(),
            }
        };
        Err(Error::Request(format!("the trajectory {place} {differs}")))
    }
}
