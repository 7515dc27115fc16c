//! Finding the latents of an edit's source at every noise level.

use std::{collections::VecDeque, rc::Rc};

use super::{
    CheckedJob, Edit, Event, Traced,
    edit::{Encoding, Source, SourceLatents},
    origin::Origin,
    pace::Clock,
    run::latent_shape,
};
use crate::{
    diffusion::{Ddim, Level, Noise, Sampler, Trajectory, noise},
    error::{Error, Result},
    guidance::{Cfg, Denoiser},
    models::{Autoencoder, unet::NoTap},
    tensor::{Device, Tensor},
};

/// What a trace begins with.
pub(super) struct Beginning {
    pub device: Device,
    pub autoencoder: Rc<Autoencoder>,
    /// Predicts without a reference to the edit: the source's own prompt, at its own scale.
    pub denoiser: Cfg,
    /// What the denoiser was told.
    pub texts: Tensor,
    /// The steps from noise to latents.
    pub walk: Vec<(Level, Level)>,
    /// `[1, H, W, 3]`, where the source is a picture.
    pub image: Option<Tensor>,
    pub origin: Origin,
    pub warnings: Vec<String>,
    pub job: CheckedJob,
}

/// Finds the latents of an edit's source at every noise level: a picture is inverted and, to see how well, sampled again; a
/// generated source is sampled. It does nothing by itself: stopping means not calling [`Trace::step`] again.
pub struct Trace {
    device: Device,
    autoencoder: Rc<Autoencoder>,
    denoiser: Cfg,
    walk: Vec<(Level, Level)>,
    origin: Origin,
    job: CheckedJob,
    stage: Stage,
    waiting: VecDeque<Event>,
    clock: Clock,
    done: usize,
    trajectory: Option<Trajectory>,
    /// The latents that sampling met, noisiest first.
    met: Vec<Vec<f32>>,
    traced: Option<Traced>,
}

enum Stage {
    Texts(Tensor, Option<Tensor>),
    Encode(Tensor),
    /// Towards noise; the step is counted from the clean end.
    Up {
        x: Tensor,
        step: usize,
    },
    Down {
        x: Tensor,
        step: usize,
    },
    Done,
}

impl Trace {
    pub(super) fn new(start: Beginning) -> Self {
        let warnings = start.warnings.into_iter();
        Self {
            device: start.device,
            autoencoder: start.autoencoder,
            denoiser: start.denoiser,
            walk: start.walk,
            origin: start.origin,
            job: start.job,
            stage: Stage::Texts(start.texts, start.image),
            waiting: warnings.map(|message| Event::Warning { message }).collect(),
            clock: Clock::new(),
            done: 0,
            trajectory: None,
            met: Vec::new(),
            traced: None,
        }
    }

    /// Works until there is something to tell; `None` when everything is done.
    ///
    /// # Errors
    /// When the device fails, or the numbers stop being numbers. The trace is over then.
    pub async fn step(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Done => return Ok(None),
                Stage::Texts(texts, image) => {
                    self.device.eval(&[&texts])?;
                    self.clock.begin_picture();
                    self.stage = match image {
                        Some(image) => Stage::Encode(image),
                        None => self.noise(),
                    };
                }
                Stage::Encode(image) => self.encode(&image).await?,
                Stage::Up { x, step } => self.up(&x, step).await?,
                Stage::Down { x, step } => self.down(&x, step).await?,
            }
        }
    }

    /// What was found, once, when there is nothing more to tell.
    pub fn take(&mut self) -> Option<Traced> {
        self.traced.take()
    }

    fn edit(&self) -> &Edit {
        let edit = self.job.job().edit.as_ref();
        edit.expect("only the source of an edit is traced")
    }

    /// Noise of a seed.
    fn drawn(&self, seed: u64) -> Tensor {
        let source = self.job.quirks.noise.unwrap_or_default();
        let mut noise = vec![Noise::new(source, seed)];
        noise::latents(&mut noise, &self.device, &latent_shape(&self.job))
    }

    fn noise(&mut self) -> Stage {
        let seed = match self.edit().source {
            Source::Generated { seed, .. } => seed,
            Source::Picture { .. } => self.job.job().seed,
        };
        Stage::Down {
            x: self.drawn(seed),
            step: 0,
        }
    }

    async fn encode(&mut self, image: &Tensor) -> Result<()> {
        let x = match self.job.quirks.edit.encoding.unwrap_or_default() {
            Encoding::Mean => self.autoencoder.encode(image),
            Encoding::Sample => {
                let noise = self.drawn(self.job.job().seed);
                self.autoencoder.encode_sample(image, &noise)
            }
        };
        self.device.eval(&[&x])?;
        let latents = finite(x.read().await?, "the picture's latents are no numbers")?;
        let (_, clean) = self.walk[self.walk.len() - 1];
        let inverts = self.edit().inverts();
        if !inverts {
            self.met.push(latents.clone());
        }
        self.trajectory = Some(Trajectory::new(self.job.latent_size(), clean, latents));
        if inverts {
            self.stage = Stage::Up { x, step: 0 };
        } else {
            self.finish();
        }
        Ok(())
    }

    async fn up(&mut self, x: &Tensor, step: usize) -> Result<()> {
        let variant = self.job.quirks.edit.inversion.unwrap_or_default();
        let up = variant.steps(&self.walk);
        let (told, to) = up[step];
        let x = self.moved(x, told, to)?;
        let latents = self.read(&x, "inverting", step).await?;
        let trajectory = self.trajectory.as_mut();
        trajectory
            .expect("the picture is encoded first")
            .push(to, latents);
        self.tell(2 * up.len());
        self.stage = if step + 1 < up.len() {
            Stage::Up { x, step: step + 1 }
        } else {
            Stage::Down { x, step: 0 }
        };
        Ok(())
    }

    async fn down(&mut self, x: &Tensor, step: usize) -> Result<()> {
        if step == 0 {
            self.met.push(x.read().await?);
        }
        let (from, to) = self.walk[step];
        let x = self.moved(x, from, to)?;
        let latents = self.read(&x, "sampling the source", step).await?;
        self.met.push(latents);
        let ways = if self.trajectory.is_some() { 2 } else { 1 };
        self.tell(ways * self.walk.len());
        if step + 1 < self.walk.len() {
            self.stage = Stage::Down { x, step: step + 1 };
        } else {
            self.finish();
        }
        Ok(())
    }

    /// One step of the denoiser and the integrator, up or down.
    fn moved(&mut self, x: &Tensor, told: Level, to: Level) -> Result<Tensor> {
        let prediction = self.denoiser.predict(x, told, &mut NoTap)?;
        let x = Ddim::deterministic().step(x, &prediction.eps, told, to);
        self.device.eval(&[&x])?;
        Ok(x)
    }

    async fn read(&self, x: &Tensor, doing: &str, step: usize) -> Result<Vec<f32>> {
        let of = self.walk.len();
        let problem = format!(
            "the latents stopped being numbers in step {} of {of} while {doing}: try --precision f32",
            step + 1
        );
        finite(x.read().await?, &problem)
    }

    fn tell(&mut self, of: usize) {
        self.done += 1;
        let (rate, left_secs) = self.clock.pace(of - self.done);
        self.waiting.push_back(Event::Trace {
            step: self.done,
            of,
            rate,
            left_secs,
        });
    }

    fn finish(&mut self) {
        let reconstruction = self.met[self.met.len() - 1].clone();
        let chosen = self.job.quirks.edit.source_latents.unwrap_or_default();
        let inverted = self.trajectory.take();
        let trajectory = match (inverted, chosen) {
            (Some(inverted), chosen)
                if chosen == SourceLatents::Inverted || !self.edit().inverts() =>
            {
                inverted
            }
            _ => self.sampled(),
        };
        self.traced = Some(Traced {
            origin: self.origin.clone(),
            trajectory: Rc::new(trajectory),
            reconstruction,
        });
        self.waiting.push_back(Event::Traced {
            secs: self.clock.since_start(),
        });
    }

    /// The trajectory of what sampling met.
    fn sampled(&mut self) -> Trajectory {
        let mut met = std::mem::take(&mut self.met);
        let clean = met.pop().expect("a walk has at least one step");
        let (_, end) = self.walk[self.walk.len() - 1];
        let mut trajectory = Trajectory::new(self.job.latent_size(), end, clean);
        for (latents, (from, _)) in met.into_iter().zip(&self.walk).rev() {
            trajectory.push(*from, latents);
        }
        trajectory
    }
}

/// Numbers that are all numbers.
fn finite(numbers: Vec<f32>, problem: &str) -> Result<Vec<f32>> {
    if numbers.iter().all(|number| number.is_finite()) {
        Ok(numbers)
    } else {
        Err(Error::NotFinite(problem.to_owned()))
    }
}
