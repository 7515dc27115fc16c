//! A job being done, step by step; the caller owns the loop.

use std::{collections::VecDeque, rc::Rc};

use super::{
    CheckedJob, Event, Job, Latents, MadeOn, SamplerName,
    assemble::{self, Lent, Parts},
    guide,
    made::{Made, read_maps},
    notes,
    pace::Clock,
    prepare::Preparing,
    preview::Seen,
    waypoint::Waypoint,
};
use crate::{
    diffusion::{Ddim, Noise, Pndm, Sampler, noise, schedule::ScheduleConfig},
    error::{Error, Result},
    guidance::{
        Denoiser, Map, Prediction,
        universal::{Aim, Iteration, Place, Universal},
    },
    models::{Autoencoder, Unet, unet::NoTap},
    picture::{Picture, png::Notes},
    tensor::{Device, Shape, Tensor},
};

/// What a run begins with.
pub(super) struct Start<'a> {
    pub model: String,
    pub unet: Rc<Unet>,
    pub autoencoder: Rc<Autoencoder>,
    pub schedule: &'a ScheduleConfig,
    /// `[2, N, C]`: negative prompt and prompt.
    pub contexts: Tensor,
    pub latents: Option<Latents>,
    /// What an edit takes from its source.
    pub lent: Option<Lent>,
    /// The guides that the job asks for.
    pub aims: Vec<Aim>,
    pub warnings: Vec<String>,
    pub job: CheckedJob,
}

/// A job being done. It does nothing by itself: stopping means not calling [`Run::step`] again.
pub struct Run {
    job: CheckedJob,
    device: Device,
    autoencoder: Rc<Autoencoder>,
    parts: Parts,
    latents: Option<Latents>,
    aims: Vec<Aim>,
    /// Timesteps that the model was trained on.
    timesteps: usize,
    waiting: VecDeque<Event>,
    stage: Stage,
    at: Waypoint,
    made: Option<Made>,
    seen: Option<Seen>,
    is_prepared: bool,
    clock: Clock,
}

enum Stage {
    Encode(Vec<Tensor>),
    Begin,
    Sample {
        x: Tensor,
        walker: Box<Walker>,
        step: usize,
    },
    /// A step that was taken, but not computed: the device gets ready for it.
    Prepare(Preparing, Box<Taken>),
    Decode(Tensor, Box<Walker>),
    Done,
}

/// A step that was taken, before it is computed.
struct Taken {
    /// The latents it ends at.
    x: Tensor,
    prediction: Prediction,
    walker: Box<Walker>,
    step: usize,
}

impl Taken {
    /// What a step ends with, to be read back: that is what makes it end, and what is left of it should the device be lost.
    fn end(&self) -> Tensor {
        Tensor::concat(&[&self.x, &self.prediction.eps], 3)
    }

    /// All that must be computed together.
    fn results<'a>(&'a self, end: &'a Tensor) -> Vec<&'a Tensor> {
        let prediction = &self.prediction;
        // A multistep sampler remembers the noise: left unevaluated, the next step would ask the U-Net for it again.
        let mut results = vec![&self.x, &prediction.eps, end];
        results.extend(&prediction.remembered);
        results.extend(prediction.maps.iter().map(|map| &map.values));
        results
    }
}

/// What walks down to one picture, and remembers it on the way.
struct Walker {
    denoiser: Box<dyn Denoiser>,
    sampler: Box<dyn Sampler>,
    /// What guides each step, where the job asks for that.
    universal: Option<Universal>,
    /// What was seen, and in which step.
    maps: Vec<(usize, Map)>,
    /// What the guides made of each turn, and in which step.
    turns: Vec<(usize, Iteration)>,
}

impl Run {
    pub(super) fn new(start: Start<'_>) -> Result<Self> {
        let job = start.job;
        if let Some(latents) = &start.latents {
            latents.check(&job)?;
        }
        let guides = job.job().guide.as_ref();
        if guides.map_or(0, |guide| guide.guides.len()) != start.aims.len() {
            return Err(Error::Request(
                "the job asks for guides that were not made ready".to_owned(),
            ));
        }
        let device = start.contexts.device().clone();
        let parts = Parts {
            unet: start.unet,
            contexts: start.contexts,
            walk: assemble::walk(&job, start.schedule)?,
            lent: start.lent,
        };
        // What cannot be assembled is refused now, not when the first picture begins.
        assemble::denoiser(&job, &parts)?;
        let info = device.info();
        let mut waiting: VecDeque<_> = start
            .warnings
            .into_iter()
            .map(|message| Event::Warning { message })
            .collect();
        let mut asked = job.job().clone();
        asked.model = start.model;
        waiting.push_front(Event::Started {
            job: Box::new(asked),
            device: info.name.clone(),
            precision: precision(&device).to_owned(),
            count: job.job().count,
            steps: parts.walk.len(),
        });
        Ok(Self {
            autoencoder: start.autoencoder,
            stage: Stage::Encode(parts.texts()),
            clock: Clock::new(),
            latents: start.latents,
            at: Waypoint::default(),
            aims: start.aims,
            timesteps: start.schedule.num_train_timesteps,
            made: None,
            seen: None,
            is_prepared: false,
            parts,
            waiting,
            device,
            job,
        })
    }

    /// Works until there is something to tell; `None` when everything is done.
    ///
    /// # Errors
    /// When the device fails, or the numbers stop being numbers. The run is over then.
    pub async fn step(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Done => return Ok(None),
                Stage::Encode(texts) => {
                    self.device.eval(&texts.iter().collect::<Vec<_>>())?;
                    self.stage = Stage::Begin;
                }
                Stage::Begin if self.finished() == self.job.job().count => {
                    self.waiting.push_back(Event::Done {
                        pictures: self.finished(),
                        secs: self.clock.since_start(),
                    });
                }
                Stage::Begin => self.stage = self.begin()?,
                Stage::Sample { x, walker, step } => {
                    let taken = self.sample(&x, walker, step).await?;
                    self.stage = Stage::Prepare(self.prepare(&taken)?, Box::new(taken));
                }
                Stage::Prepare(mut preparing, taken) => match preparing.next().await? {
                    Some(event) => {
                        self.waiting.push_back(event);
                        self.stage = Stage::Prepare(preparing, taken);
                    }
                    None => self.settle(*taken).await?,
                },
                Stage::Decode(x, walker) => self.decode(&x, *walker).await?,
            }
        }
    }

    /// The picture that was finished last, once.
    pub fn take(&mut self) -> Option<Made> {
        self.made.take()
    }

    /// What the picture under way will about look like; nothing before its first step. Costs nothing unless it is asked
    /// for.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn preview(&self) -> Result<Option<Picture>> {
        match &self.seen {
            Some(seen) => seen.picture(&self.autoencoder).await.map(Some),
            None => Ok(None),
        }
    }

    /// Where it is. Outlives the device, and is still true when [`Run::step`] has failed.
    pub fn waypoint(&self) -> &Waypoint {
        &self.at
    }

    /// Goes on where another run of the same job was. Called before the first step.
    pub fn go_on_from(&mut self, at: Waypoint) {
        self.at = at;
    }

    /// Pictures finished so far.
    pub fn finished(&self) -> usize {
        self.at.picture()
    }

    /// The job that is being done.
    pub fn job(&self) -> &Job {
        self.job.job()
    }

    /// Height and width of the latents.
    pub fn latent_size(&self) -> [usize; 2] {
        self.job.latent_size()
    }

    fn seed(&self) -> u64 {
        self.job.job().seed + self.finished() as u64
    }

    fn begin(&mut self) -> Result<Stage> {
        self.seen = None;
        self.clock.begin_picture();
        let source = self.job.quirks.noise.unwrap_or_default();
        let mut noise = vec![Noise::new(source, self.seed())];
        let shape = latent_shape(&self.job);
        // Drawn even when latents are given, so that the fresh noise of later steps is the same either way.
        let drawn = noise::latents(&mut noise, &self.device, &shape);
        let x = match &self.latents {
            Some(latents) => {
                let given = &latents.rows[self.finished().min(latents.rows.len() - 1)];
                let elements = noise::channels_last(given, &shape);
                self.device.tensor(shape, elements)
            }
            None => drawn,
        };
        let mut sampler: Box<dyn Sampler> = match self.job.job().sampler {
            SamplerName::Ddim => Box::new(Ddim::new(self.job.eta, noise)),
            SamplerName::Pndm => Box::new(Pndm::new()),
        };
        let x = self.at.replay(&mut *sampler, &x, &self.parts.walk);
        let walker = Walker {
            denoiser: assemble::denoiser(&self.job, &self.parts)?,
            sampler,
            universal: self.job.job().guide.as_ref().map(|guide| {
                guide.universal(&self.aims, &self.autoencoder, &self.job, self.seed())
            }),
            maps: Vec::new(),
            turns: Vec::new(),
        };
        Ok(self.stage_at(x, Box::new(walker), self.at.step()))
    }

    /// What comes when so many steps of a picture are done.
    fn stage_at(&self, x: Tensor, walker: Box<Walker>, step: usize) -> Stage {
        if step == self.parts.walk.len() {
            Stage::Decode(x, walker)
        } else {
            Stage::Sample { x, walker, step }
        }
    }

    async fn sample(&mut self, x: &Tensor, mut walker: Box<Walker>, step: usize) -> Result<Taken> {
        let (from, to) = self.parts.walk[step];
        let (x, prediction) = if walker.universal.is_some() {
            self.guided(x, &mut walker, step).await?
        } else {
            let prediction = walker.denoiser.predict(x, from, &mut NoTap)?;
            self.seen = Some(Seen::new(x, &prediction.eps, from));
            let x = walker.sampler.step(x, &prediction.eps, from, to);
            (x, prediction)
        };
        Ok(Taken {
            x,
            prediction,
            walker,
            step,
        })
    }

    /// Before the first step, what it and the decoder need is made ready.
    fn prepare(&mut self, taken: &Taken) -> Result<Preparing> {
        let mut parts = Vec::new();
        let is_first = !std::mem::replace(&mut self.is_prepared, true);
        // An eager device prepares nothing, and would decode at once.
        if is_first && let Some(step) = self.device.prepare(&taken.results(&taken.end()))? {
            let shape = taken.x.shape().clone();
            let blank = vec![0.0; shape.iter().product()];
            let image = self.autoencoder.decode(&self.device.tensor(shape, blank));
            parts.push(step);
            parts.extend(self.device.prepare(&[&image])?);
        }
        Ok(Preparing::new(parts))
    }

    /// Computes a step, and looks at what it ended with.
    async fn settle(&mut self, taken: Taken) -> Result<()> {
        let end = taken.end();
        self.device.eval(&taken.results(&end))?;
        let Taken {
            x,
            prediction,
            mut walker,
            step,
        } = taken;
        let (latents, eps) = halves(&end.read().await?);
        if !latents.iter().all(|latent| latent.is_finite()) {
            return Err(Error::NotFinite(format!(
                "the latents of seed {} stopped being numbers in step {} of {}: try --precision f32",
                self.seed(),
                step + 1,
                self.parts.walk.len()
            )));
        }
        self.at.walked(latents, eps);
        // The noise of guides is a stream of its own, of which nothing is kept.
        let guided = walker.universal.is_some();
        if guided || !prediction.remembered.is_empty() || !prediction.maps.is_empty() {
            self.at.forget_steps();
        }
        let maps = prediction.maps.into_iter().map(|map| (step, map));
        walker.maps.extend(maps);
        let done = step + 1;
        let (rate, left_secs) = self.clock.pace(self.left_after(done));
        self.waiting.push_back(Event::Step {
            picture: self.finished(),
            step: done,
            of: self.parts.walk.len(),
            rate,
            left_secs,
        });
        self.stage = self.stage_at(x, walker, done);
        Ok(())
    }

    /// A step as the guides would have it.
    async fn guided(
        &mut self,
        x: &Tensor,
        walker: &mut Walker,
        step: usize,
    ) -> Result<(Tensor, Prediction)> {
        let universal = walker.universal.as_mut().expect("the job asks for guides");
        let place = Place::all(&self.parts.walk, self.timesteps)[step];
        let (denoiser, sampler) = (&mut *walker.denoiser, &mut *walker.sampler);
        let stepped = universal
            .step(denoiser, sampler, x, &place, &mut NoTap)
            .await?;
        self.seen = Some(Seen::Clean(stepped.x0));
        for turn in stepped.iterations {
            self.waiting.push_back(Event::Guided {
                picture: self.finished(),
                step: step + 1,
                losses: turn
                    .each
                    .iter()
                    .map(|(guide, loss)| (guide.clone(), loss[0]))
                    .collect(),
            });
            walker.turns.push((step, turn));
        }
        let prediction = Prediction {
            cond: stepped.eps.clone(),
            eps: stepped.eps,
            uncond: None,
            maps: stepped.maps,
            remembered: Vec::new(),
        };
        Ok((stepped.x, prediction))
    }

    /// Steps that are left in the whole job.
    fn left_after(&self, done: usize) -> usize {
        let pictures = self.job.job().count - self.finished() - 1;
        let steps = self.parts.walk.len();
        pictures * steps + steps - done
    }

    async fn decode(&mut self, x: &Tensor, walker: Walker) -> Result<()> {
        let image = self.autoencoder.decode(x);
        self.device.eval(&[&image])?;
        let elements = image.read().await?;
        if !elements.iter().all(|element| element.is_finite()) {
            return Err(Error::NotFinite(format!(
                "the autoencoder made no numbers of the latents of seed {}: try --precision f32",
                self.seed()
            )));
        }
        let rounding = self.job.quirks.rounding.unwrap_or_default();
        let size = self.job.size;
        let picture = Picture::from_signed(size.width_px, size.height_px, &elements, rounding);
        let seed = self.seed();
        self.made = Some(Made {
            scores: guide::scores(&self.aims, &picture, &self.device).await?,
            turns: walker.turns,
            picture,
            notes: self.notes(seed),
            seed,
            latents: noise::channels_first(&x.read().await?, x.shape()),
            maps: read_maps(&walker.maps).await?,
            extras: Vec::new(),
        });
        let picture = self.finished();
        self.at = Waypoint::at_picture(picture + 1);
        self.stage = Stage::Begin;
        self.waiting.push_back(Event::Picture {
            picture,
            of: self.job.job().count,
            seed,
            secs: self.clock.since_picture(),
        });
        Ok(())
    }

    /// What one picture remembers: the job that makes this picture alone.
    fn notes(&self, seed: u64) -> Notes {
        let alone = Job {
            seed,
            count: 1,
            made_on: Some(MadeOn {
                program: concat!("guidestar ", env!("CARGO_PKG_VERSION")).to_owned(),
                device: self.device.info().name.clone(),
                precision: precision(&self.device).to_owned(),
            }),
            ..self.job.job().clone()
        };
        Notes {
            parameters: Some(notes::parameters(&self.job, seed)),
            guidestar: Some(alone.to_json()),
        }
    }
}

/// The latents and the noise that lie side by side.
fn halves(elements: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (places, _) = elements.as_chunks::<{ 2 * LATENT_CHANNELS }>();
    let half = |start: usize| {
        let half = move |place: &[f32; 2 * LATENT_CHANNELS]| {
            place[start..start + LATENT_CHANNELS].to_vec()
        };
        places.iter().flat_map(half).collect()
    };
    (half(0), half(LATENT_CHANNELS))
}

fn precision(device: &Device) -> &'static str {
    match device.dtype() {
        crate::tensor::DType::F16 => "f16",
        crate::tensor::DType::F32 => "f32",
    }
}

const LATENT_CHANNELS: usize = 4;

pub(super) fn latent_shape(job: &CheckedJob) -> Shape {
    let [h, w] = job.latent_size();
    [1, h, w, LATENT_CHANNELS].into()
}
