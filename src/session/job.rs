//! What is asked for: one type for flags, job lines, the page and the chunk in a PNG.

use serde::{Deserialize, Serialize};

use super::{Edit, GuideJob, Parity, Quirks, Size, Traits, edit, guide, techniques};
use crate::{
    diffusion::schedule::PredictionType,
    error::{Error, Result},
    guidance::{ApgSettings, FreeUSettings, PagSettings, SagSettings, SegSettings},
};

/// The format this build writes; older ones are still read.
pub const VERSION: u32 = 1;

/// The integrator that walks from noise to latents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SamplerName {
    /// [`crate::diffusion::Ddim`]
    #[default]
    Ddim,
    /// [`crate::diffusion::Pndm`]
    Pndm,
}

/// A picture, or several that differ in their seed, as asked for. What is `None` is the model's or the crate's default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Job {
    /// Format of this record.
    pub version: u32,
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen; fills the unconditional row.
    pub negative: String,
    /// `mini`, or where the checkpoint is.
    pub model: String,
    /// Width and height.
    pub size: Option<Size>,
    /// Steps of the sampler.
    pub steps: Option<usize>,
    /// How far to go from the unconditional prediction towards the prompt's, and beyond.
    pub cfg_scale: Option<f64>,
    /// How far to take the spread of what is guided back to the prompt's, 0 to 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub cfg_rescale: f64,
    /// Adaptive projected guidance in place of the plain one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apg: Option<ApgSettings>,
    /// Self-attention guidance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sag: Option<SagSettings>,
    /// Perturbed-attention guidance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pag: Option<PagSettings>,
    /// Smoothed-energy guidance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seg: Option<SegSettings>,
    /// Louder backbone and quieter skips.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeu: Option<FreeUSettings>,
    /// Universal guidance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guide: Option<GuideJob>,
    /// Seed of the first picture; each further one counts up.
    pub seed: u64,
    /// How many pictures.
    pub count: usize,
    /// The integrator.
    pub sampler: SamplerName,
    /// Share of fresh noise in each step of DDIM: none where it is left open, unless a preset of guides has some.
    pub eta: Option<f64>,
    /// What the network predicts, where its files say it wrongly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<PredictionType>,
    /// A picture or generated source that is made anew under the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// A file of latents to begin with instead of noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents: Option<String>,
    /// A reference to agree with in every quirk that is not chosen below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parity: Option<Parity>,
    /// Choices in which references differ.
    pub quirks: Quirks,
    /// On what it was made: recorded, no part of what is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_on: Option<MadeOn>,
}

/// On what a picture was made. The same job elsewhere gives the same picture but for rounding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeOn {
    /// The program and its version.
    pub program: String,
    /// The device's name.
    pub device: String,
    /// `f16` or `f32`.
    pub precision: String,
}

impl Default for Job {
    fn default() -> Self {
        Self {
            version: VERSION,
            prompt: String::new(),
            negative: String::new(),
            model: "mini".to_owned(),
            size: None,
            steps: None,
            cfg_scale: None,
            cfg_rescale: 0.0,
            apg: None,
            sag: None,
            pag: None,
            seg: None,
            freeu: None,
            guide: None,
            seed: 0,
            count: 1,
            sampler: SamplerName::Ddim,
            eta: None,
            prediction: None,
            edit: None,
            latents: None,
            parity: None,
            quirks: Quirks::default(),
            made_on: None,
        }
    }
}

/// A job that can be run: nothing is left open, and every number is in its range.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedJob {
    job: Job,
    reduction: usize,
    /// Width and height, multiples of what the autoencoder shrinks by.
    pub size: Size,
    /// Steps of the sampler, at least 1.
    pub steps: usize,
    /// A finite number.
    pub cfg_scale: f64,
    /// Share of fresh noise in each step, 0 to 1.
    pub eta: f64,
    /// What the network predicts.
    pub prediction: PredictionType,
    /// Every choice the job or its preset makes.
    pub quirks: Quirks,
}

impl CheckedJob {
    /// The job with nothing left open: what a picture remembers.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Whether the negative prompt has any weight: at scale 1 only where the difference from it is projected.
    pub fn has_uncond(&self) -> bool {
        (self.cfg_scale - 1.0).abs() > f64::EPSILON || self.job.apg.is_some()
    }

    /// Height and width of the latents.
    pub fn latent_size(&self) -> [usize; 2] {
        [self.size.height_px, self.size.width_px].map(|px| px / self.reduction)
    }
}

/// Most pictures that one job makes; more is a batch of jobs.
const COUNT_LIMIT: usize = 10_000;
/// Longest side that is not plainly a mistake: latents of this size are beyond any device.
const SIDE_LIMIT_PX: usize = 16_384;

impl Job {
    /// Reads a job from JSON.
    ///
    /// # Errors
    /// When it is not one, or one of a later version.
    pub fn from_json(text: &str) -> Result<Self> {
        let job: Self = serde_json::from_str(text)
            .map_err(|error| Error::Request(format!("this is no guidestar job: {error}")))?;
        if job.version > VERSION {
            return Err(Error::Request(format!(
                "the job is of version {}, and this program knows up to {VERSION}: use a newer one",
                job.version
            )));
        }
        Ok(job)
    }

    /// The job as JSON in one line.
    ///
    /// # Panics
    /// Never: a job has nothing that JSON cannot say.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a job is strings and finite numbers")
    }

    /// Refuses what can never work, and fills in what the model decides.
    ///
    /// # Errors
    /// [`Error::Request`] in one sentence that says what would be right.
    pub fn check(&self, model: &Traits) -> Result<CheckedJob> {
        let size = self.size.unwrap_or(model.size);
        check_size(size, model.reduction)?;
        let (usual_steps, usual_scale) = self.usual();
        let cfg_scale = self.cfg_scale.or(usual_scale).unwrap_or(model.cfg_scale);
        let steps = self.steps.or(usual_steps).unwrap_or(model.steps);
        let wrong = |text: String| Err(Error::Request(text));
        if !cfg_scale.is_finite() {
            return wrong(format!(
                "a guidance scale of {cfg_scale} is no number to work with"
            ));
        }
        let eta = self.eta.or(self.usual_eta()).unwrap_or(0.0);
        if !(0.0..=1.0).contains(&eta) {
            return wrong(format!("eta is {eta}, and must be between 0 and 1"));
        }
        if self.sampler == SamplerName::Pndm && eta != 0.0 {
            return wrong("pndm takes no eta: use --sampler ddim, or leave eta out".to_owned());
        }
        if steps == 0 {
            return wrong("0 steps make no picture: ask for at least 1".to_owned());
        }
        if self.count == 0 || self.count > COUNT_LIMIT {
            return wrong(format!(
                "{} pictures are asked for: ask for 1 to {COUNT_LIMIT}",
                self.count
            ));
        }
        if self.seed.checked_add(self.count as u64 - 1).is_none() {
            return wrong(format!(
                "{} pictures from seed {} on would need seeds beyond {}",
                self.count,
                self.seed,
                u64::MAX
            ));
        }
        let latents = [size.height_px, size.width_px].map(|px| px / model.reduction);
        techniques::check(self, latents, model)?;
        let presets = self.parity.map(Parity::quirks).unwrap_or_default();
        let prediction = self.prediction.unwrap_or(model.prediction);
        let quirks = self.quirks.or(&presets);
        let mut job = Self {
            version: VERSION,
            size: Some(size),
            steps: Some(steps),
            cfg_scale: Some(cfg_scale),
            eta: Some(eta),
            ..self.clone()
        };
        edit::check(&mut job, &quirks.edit, model)?;
        guide::check(&mut job)?;
        Ok(CheckedJob {
            job,
            reduction: model.reduction,
            size,
            steps,
            cfg_scale,
            eta,
            prediction,
            quirks,
        })
    }

    /// Steps and guidance scale that go with what it asks for, where something does.
    fn usual(&self) -> (Option<usize>, Option<f64>) {
        let (steps, scale) = self.usual_for_edit();
        let (guided_steps, guided_scale) = self.usual_for_guide();
        (steps.or(guided_steps), scale.or(guided_scale))
    }
}

fn is_zero<T: PartialEq + Default>(number: &T) -> bool {
    *number == T::default()
}

fn check_size(size: Size, reduction: usize) -> Result<()> {
    let sides = [size.width_px, size.height_px];
    let wrong = if sides.contains(&0) {
        format!("a picture of {size} has no pixels")
    } else if let Some(side) = sides.iter().find(|&&side| side > SIDE_LIMIT_PX) {
        format!(
            "{side} pixels are more than any device can do: ask for at most {SIDE_LIMIT_PX} a side"
        )
    } else if sides.iter().any(|side| side % reduction != 0) {
        let near = |px: usize| (px + reduction / 2) / reduction * reduction;
        let near = sides.map(|side| near(side).max(reduction));
        format!(
            "both sides of a picture must be multiples of {reduction}, and {size} is not: {}x{} is near",
            near[0], near[1]
        )
    } else {
        return Ok(());
    };
    Err(Error::Request(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{NoiseSource, schedule::Spacing};

    fn mini() -> Traits {
        Traits {
            size: Size::square(128),
            steps: 25,
            cfg_scale: 3.0,
            reduction: 8,
            prediction: PredictionType::Epsilon,
            unet: crate::models::config::UnetConfig::tiny(),
        }
    }

    fn refusal(job: &Job) -> String {
        job.check(&mini()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_open_is_the_models() {
        let checked = Job::default().check(&mini()).unwrap();
        assert_eq!(checked.size, Size::square(128));
        assert_eq!((checked.steps, checked.cfg_scale), (25, 3.0));
        assert_eq!(checked.job().size, Some(Size::square(128)));
        // A remembered job does not change when the model's usual settings do.
        let other = Traits {
            size: Size::square(512),
            steps: 50,
            cfg_scale: 7.5,
            ..mini()
        };
        assert_eq!(checked.job().check(&other).unwrap(), checked);
    }

    #[test]
    fn a_job_survives_json() {
        let job = Job {
            prompt: "ünïcödé \"quoted\"\n🍎".to_owned(),
            seed: u64::MAX,
            cfg_scale: Some(0.1 + 0.2),
            parity: Some(Parity::PnpDiffusers),
            quirks: Quirks {
                noise: Some(NoiseSource::Guidestar),
                ..Quirks::default()
            },
            ..Job::default()
        };
        assert_eq!(Job::from_json(&job.to_json()).unwrap(), job);
    }

    #[test]
    fn unknown_fields_and_later_versions_are_refused() {
        let unknown = Job::from_json(r#"{"promt": "a fox"}"#).unwrap_err();
        assert!(unknown.to_string().contains("promt"), "{unknown}");
        let later = Job::from_json(r#"{"version": 99}"#).unwrap_err();
        assert!(later.to_string().contains("version 99"), "{later}");
    }

    #[test]
    fn impossible_sizes_are_refused_with_a_possible_one() {
        let sized = |text: &str| Job {
            size: Some(text.parse().unwrap()),
            ..Job::default()
        };
        assert!(refusal(&sized("0x64")).contains("no pixels"));
        assert!(refusal(&sized("100x64")).contains("104x64 is near"));
        assert!(refusal(&sized("99999999x64")).contains("at most 16384"));
    }

    #[test]
    fn impossible_numbers_are_refused() {
        let base = Job::default;
        let pndm = SamplerName::Pndm;
        for job in [
            Job {
                steps: Some(0),
                ..base()
            },
            Job { count: 0, ..base() },
            Job {
                cfg_scale: Some(f64::NAN),
                ..base()
            },
            Job {
                eta: Some(-0.1),
                ..base()
            },
            Job {
                eta: Some(0.5),
                sampler: pndm,
                ..base()
            },
            Job {
                seed: u64::MAX,
                count: 2,
                ..base()
            },
        ] {
            refusal(&job);
        }
        let last = Job {
            seed: u64::MAX,
            ..base()
        };
        assert!(last.check(&mini()).is_ok());
    }

    #[test]
    fn a_preset_gives_way_to_what_is_chosen() {
        let job = Job {
            parity: Some(Parity::Ldm),
            quirks: Quirks {
                noise: Some(NoiseSource::Guidestar),
                ..Quirks::default()
            },
            ..Job::default()
        };
        let quirks = job.check(&mini()).unwrap().quirks;
        assert_eq!(quirks.noise, Some(NoiseSource::Guidestar));
        assert_eq!(quirks.spacing, Some(Spacing::Ldm));
    }
}
