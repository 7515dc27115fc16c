//! How a session edits: the source's latents are found first, and any number of edits begin with them.

use std::rc::Rc;

use super::{
    CheckedJob, Edit, Latents, Method, Origin, Run, Session, Source, Trace, Traced,
    assemble::{self, Lent},
    edit::{EditStart, SourceText},
    open::cut,
    run::Start,
    trace::Beginning,
};
use crate::{
    diffusion::{Level, Noise, Trajectory, noise},
    error::{Error, Result},
    guidance::{Cfg, edit, edit::Kept},
    picture::Picture,
    tensor::{Shape, Tensor},
};

/// Texts as the U-Net attends to them, and what to say of those that were cut.
struct Texts {
    /// `[texts, N, C]`
    all: Tensor,
    ids: Vec<Vec<u32>>,
    warnings: Vec<String>,
}

impl Texts {
    /// `[1, N, C]`
    fn row(&self, row: usize) -> Tensor {
        self.all.rows(row..row + 1)
    }
}

impl Session {
    fn texts(&self, texts: &[(&str, &str)]) -> Texts {
        let mut warnings = Vec::new();
        let mut ids = Vec::new();
        for (what, text) in texts {
            let tokens = self.tokenizer.encode(text);
            if !tokens.lost.is_empty() {
                warnings.push(cut(what, self.tokenizer.length(), &tokens.lost));
            }
            ids.push(tokens.ids);
        }
        Texts {
            all: self.text_encoder.forward(&ids),
            ids,
            warnings,
        }
    }

    /// Begins to find the latents of an edit's source: nothing is computed until the trace is stepped.
    ///
    /// `picture` is the source in the job's size, where it is a picture; `origin` is what the latents depend on.
    ///
    /// # Errors
    /// When the job is no edit, or its inversion does not fit the schedule.
    pub fn trace(
        &self,
        job: &CheckedJob,
        origin: Origin,
        picture: Option<&Picture>,
    ) -> Result<Trace> {
        let edit = required(job)?;
        let (negative, prompt, scale) = match &edit.source {
            Source::Picture { prompt, .. } => ("", prompt.as_str(), 1.0),
            Source::Generated {
                prompt,
                negative,
                cfg_scale,
                ..
            } => (
                negative.as_str(),
                prompt.as_str(),
                cfg_scale.unwrap_or(job.cfg_scale),
            ),
        };
        let texts = self.texts(&[
            ("source's negative prompt", negative),
            ("source's prompt", prompt),
        ]);
        let denoiser = Cfg::new(
            self.unet.clone(),
            job.prediction,
            texts.row(1),
            texts.row(0),
            scale,
        );
        // Where nothing is inverted, the walk still says at which level a picture is clean.
        let steps = edit.inversion_steps().max(1);
        Ok(Trace::new(Beginning {
            device: self.device.clone(),
            autoencoder: self.autoencoder.clone(),
            denoiser,
            walk: assemble::ddim_walk(job, &self.blueprint.schedule, steps)?,
            image: picture.map(|picture| picture.to_signed(&self.device)),
            texts: texts.all,
            origin,
            warnings: texts.warnings,
            job: job.clone(),
        }))
    }

    /// Begins an edit: nothing is computed until the run is stepped.
    ///
    /// `kept` holds the source's features for several edits that differ in their prompts alone.
    ///
    /// # Errors
    /// When the job is no edit, or the latents are not of its size.
    pub fn start_edit(&self, job: CheckedJob, traced: &Traced, kept: Option<Kept>) -> Result<Run> {
        let asked = job.job();
        let edit = required(&job)?;
        let walk = assemble::walk(&job, &self.blueprint.schedule)?;
        if traced.trajectory.size() != job.latent_size() {
            return Err(Error::Request(format!(
                "the source's latents are for {}, and the edit is of {}",
                traced.origin.size, job.size
            )));
        }
        let source_negative = match &edit.source {
            Source::Picture { .. } => "",
            Source::Generated { negative, .. } => negative,
        };
        let source_prompt = match job.quirks.edit.source_text.unwrap_or_default() {
            SourceText::Own => edit.source.prompt(),
            SourceText::Empty => "",
        };
        let texts = self.texts(&[
            ("negative prompt", &asked.negative),
            ("prompt", &asked.prompt),
            ("empty prompt", ""),
            ("source's negative prompt", source_negative),
            ("source's prompt", source_prompt),
        ]);
        let away = if edit.blend().is_some() { 2 } else { 0 };
        let contexts = Tensor::concat(&[&texts.row(away), &texts.row(1)], 0);
        let lent = Lent {
            trajectory: traced.trajectory.clone(),
            texts: texts.all.rows(5 - edit.source_texts(job.has_uncond())..5),
            negative: texts.row(0),
            alignment: edit::alignment(&texts.ids[4], &texts.ids[1]),
            kept,
        };
        let mut warnings = texts.warnings;
        warnings.extend(odd(&job, edit, &traced.trajectory, &walk));
        let latents = start_latents(&job, &traced.trajectory, walk[0].0);
        Run::new(Start {
            model: self.name.clone(),
            unet: self.unet.clone(),
            autoencoder: self.autoencoder.clone(),
            schedule: &self.blueprint.schedule,
            contexts,
            latents: Some(latents),
            lent: Some(lent),
            aims: Vec::new(),
            warnings,
            job,
        })
    }

    /// The picture behind latents of a job's size, `[h, w, 4]`.
    ///
    /// # Errors
    /// When the device fails, or the autoencoder makes no numbers of them.
    pub async fn picture(&self, job: &CheckedJob, latents: &[f32]) -> Result<Picture> {
        let [h, w] = job.latent_size();
        let x = self.device.tensor([1, h, w, 4], latents.to_vec());
        let image = self.autoencoder.decode(&x);
        self.device.eval(&[&image])?;
        let elements = image.read().await?;
        if !elements.iter().all(|element| element.is_finite()) {
            return Err(Error::NotFinite(
                "the autoencoder made no numbers of the source's latents: try --precision f32"
                    .to_owned(),
            ));
        }
        let rounding = job.quirks.rounding.unwrap_or_default();
        let [width, height] = [job.size.width_px, job.size.height_px];
        Ok(Picture::from_signed(width, height, &elements, rounding))
    }
}

fn required(job: &CheckedJob) -> Result<&Edit> {
    let edit = job.job().edit.as_ref();
    edit.ok_or_else(|| Error::Request("the job edits nothing: it has no source".to_owned()))
}

/// The latents an edit begins with.
fn start_latents(job: &CheckedJob, trajectory: &Trajectory, first: Level) -> Latents {
    let size = trajectory.size();
    let noised = job.job().edit.as_ref().map(|edit| edit.method) == Some(Method::Img2img);
    let row = match job.quirks.edit.start.unwrap_or_default() {
        _ if noised => trajectory.clean().into(),
        EditStart::FirstStep => trajectory.at(first),
        EditStart::Noisiest => trajectory.noisiest().into(),
    };
    let channels = row.len() / (size[0] * size[1]);
    let shape = Shape::from([1, size[0], size[1], channels]);
    let mut row = noise::channels_first(&row, &shape);
    if noised {
        let source = job.quirks.noise.unwrap_or_default();
        let drawn = Noise::new(source, job.job().seed).draw(row.len());
        let [signal, share] = [first.alphas_cumprod, 1.0 - first.alphas_cumprod].map(f64::sqrt);
        for (x, noise) in row.iter_mut().zip(drawn) {
            *x = (signal * f64::from(*x) + share * f64::from(noise)) as f32;
        }
    }
    Latents {
        size,
        rows: vec![row],
    }
}

/// What is legal, and may not be meant.
fn odd(
    job: &CheckedJob,
    edit: &Edit,
    trajectory: &Rc<Trajectory>,
    walk: &[(Level, Level)],
) -> Vec<String> {
    let mut warnings = Vec::new();
    let own = edit.source.prompt();
    if !own.is_empty() && job.job().prompt == own {
        warnings.push(
            "the prompt is the source's own: the picture will be about what it was".to_owned(),
        );
    }
    if edit.method == Method::Img2img {
        return warnings;
    }
    let windows = [
        edit.feature_window,
        edit.attention_window,
        edit.cross_window,
    ];
    let acts = windows
        .iter()
        .flatten()
        .any(|window| !window.levels(walk).is_empty());
    if !acts {
        warnings.push(
            "every window is empty: nothing is taken from the source but what the first step begins with"
                .to_owned(),
        );
    }
    if trajectory.ends_before(walk[0].0) {
        warnings.push(format!(
            "the source's latents were found in {} steps, which end below the first of {}: they are extended by a guess; \
             find them in at least as many",
            trajectory.levels().len() - 1,
            walk.len()
        ));
    }
    warnings
}
