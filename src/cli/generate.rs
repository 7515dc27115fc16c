//! `generate` and `replay`: a job, from its flags or its picture to files.

use std::{path::Path, rc::Rc};

use anyhow::{Context, Result};

use super::{
    exit::Exit,
    flags::{Generate, Output, Replay, Talk, Where},
    materials, model,
    place::Place,
    report::Report,
    stop,
};
use crate::{
    error::Error,
    guidance::universal::Aim,
    picture::{self, Picture, file, png},
    session::{
        self, Blueprint, CheckedJob, Event, Job, Latents, Made, Materials, Needs, Run, Session,
    },
    tensor::Device,
    weights::{disk::DiskFile, write::save_tensors},
};

/// Makes pictures from a prompt.
///
/// # Errors
/// When the request is wrong or the job fails.
pub fn generate(flags: &Generate, talk: Talk) -> Result<Exit> {
    work(&flags.job()?, flags.place, &flags.output, talk)
}

/// Repeats the job that a picture remembers.
///
/// # Errors
/// When the picture remembers none, the request is wrong or the job fails.
pub fn replay(flags: &Replay, talk: Talk) -> Result<Exit> {
    let mut job = remembered(&flags.picture)?;
    if let Some(model) = &flags.model {
        job.model.clone_from(model);
    }
    if let Some(source) = &flags.source {
        super::edit::take_source(&mut job, source)?;
    }
    if job.edit.is_some() {
        return super::edit::again(&job, flags.place, &flags.output, talk);
    }
    work(&job, flags.place, &flags.output, talk)
}

fn remembered(path: &Path) -> Result<Job> {
    let place = path.display();
    let wrong = |error: Error| Error::Request(format!("{place}: {error}"));
    let notes = png::notes(&file::read(path)?).map_err(wrong)?;
    let Some(job) = notes.guidestar else {
        let text = format!(
            "{place} remembers no job: it was not made by guidestar, or its chunks were stripped"
        );
        return Err(Error::Request(text).into());
    };
    Ok(Job::from_json(&job).map_err(wrong)?)
}

/// A model that is open for a job, and where its results go.
pub struct Opened {
    /// The model, on a device.
    pub session: Session,
    /// The job as it will be done.
    pub job: CheckedJob,
    /// What to begin with instead of noise.
    pub latents: Option<Latents>,
    /// What the job's guides are made of.
    pub materials: Materials,
    /// The guides that the job asks for.
    pub aims: Vec<Aim>,
    /// Where results go.
    pub out: Place,
    /// Whom to tell.
    pub report: Report,
}

impl Opened {
    /// Opens what a job needs. What can be refused is refused before anything large is read or computed.
    ///
    /// # Errors
    /// When the request is wrong, or the model cannot be opened.
    pub fn open(job: &Job, place: Where, output: &Output, talk: Talk) -> Result<Self> {
        let out = Place::new(output, &job.prompt)?;
        let checkpoint = model::open(&job.model)?;
        let blueprint = Blueprint::read(&checkpoint)?;
        let latents = job.latents.as_deref().map(read_latents).transpose()?;
        let size = latents
            .as_ref()
            .map(|latents| latents.picture_size(blueprint.traits.reduction));
        let sized = Job {
            size: job.size.or(size),
            ..job.clone()
        };
        let job = sized.check(&blueprint.traits)?;
        let opening = Device::open(place.device, place.precision.into());
        let device = pollster::block_on(opening)?;
        Needs::of(&blueprint, &job, &device)?.require_room(&job, &device)?;
        let mut report = Report::new(talk);
        let materials = materials::read(job.job(), &mut report)?;
        let aims = pollster::block_on(job.aims(&materials, &device))?;
        let mut tell = |event| {
            stop::leave_if_asked();
            report.event(&event);
        };
        let name = &job.job().model;
        let session = pollster::block_on(Session::open(&device, name, &checkpoint, &mut tell))?;
        Ok(Self {
            session,
            job,
            latents,
            materials,
            aims,
            out,
            report,
        })
    }
}

/// Does a job.
fn work(job: &Job, place: Where, output: &Output, talk: Talk) -> Result<Exit> {
    let mut opened = Opened::open(job, place, output, talk)?;
    let (job, latents, aims) = (opened.job, opened.latents, opened.aims);
    let run = opened.session.start_with(job, latents, aims)?;
    follow(run, &opened.out, &mut opened.report)
}

fn read_latents(path: &str) -> Result<Latents> {
    let file = Rc::new(DiskFile::open(Path::new(path))?);
    Ok(pollster::block_on(Latents::read(file))?)
}

/// Steps a run to its end, and saves what it makes.
fn follow(mut run: Run, out: &Place, report: &mut Report) -> Result<Exit> {
    let count = run.job().count;
    let mut pictures = Vec::new();
    let mut latents = Vec::new();
    while let Some(event) = pollster::block_on(run.step())? {
        report.event(&event);
        if let Some(made) = run.take() {
            save(&made, count, out, report)?;
            pictures.push((made.seed, made.picture));
            latents.push(made.latents);
        }
        if stop::asked() && !matches!(event, Event::Done { .. }) {
            report.event(&Event::Stopped {
                finished: run.finished(),
                of: count,
            });
            return Ok(Exit::Interrupted);
        }
    }
    if count > 1 {
        save_sheet(&pictures, out, report)?;
    }
    if let Some(path) = out.latents() {
        save_latents(&path, run.latent_size(), &latents, report)?;
    }
    Ok(Exit::Done)
}

fn save(made: &Made, count: usize, out: &Place, report: &mut Report) -> Result<()> {
    let path = out.picture(made.seed, count);
    out.write(&path, &png::encode(&made.picture, &made.notes)?)
        .with_context(|| format!("the picture of seed {} is lost", made.seed))?;
    report.event(&saved(&path, "picture"));
    Ok(())
}

fn save_sheet(pictures: &[(u64, Picture)], out: &Place, report: &mut Report) -> Result<()> {
    let path = out.sheet();
    let sheet = picture::sheet(pictures);
    out.write(&path, &png::encode(&sheet, &png::Notes::default())?)?;
    report.event(&saved(&path, "sheet"));
    Ok(())
}

/// Writes the final latents of all pictures as one tensor, `[B, 4, h, w]`.
///
/// # Errors
/// When that fails.
pub fn save_latents(
    path: &Path,
    [h, w]: [usize; 2],
    rows: &[Vec<f32>],
    report: &mut Report,
) -> Result<()> {
    let shape = [rows.len(), rows[0].len() / (h * w), h, w];
    save_tensors(path, &[(session::latents::NAME, &shape, &rows.concat())])?;
    report.event(&saved(path, "latents"));
    Ok(())
}

/// The event of a file that was written.
pub fn saved(path: &Path, what: &str) -> Event {
    Event::Saved {
        path: path.display().to_string(),
        what: what.to_owned(),
    }
}
