//! `generate` and `replay`: a job, from its flags or its picture to files.

use std::{path::Path, rc::Rc};

use anyhow::{Context, Result};

use super::{
    exit::Exit,
    flags::{Generate, Output, Replay, Talk, Where},
    model,
    place::Place,
    report::Report,
    stop,
};
use crate::{
    error::Error,
    picture::{self, Picture, file, png},
    session::{self, Blueprint, Event, Job, Latents, Made, Needs, Pictures, Run, Session},
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

/// What a followed run made.
pub struct Followed {
    pub exit: Exit,
    pub made: Vec<Made>,
}

/// Does a job. What can be refused is refused before anything large is read or computed.
fn work(job: &Job, place: Where, output: &Output, talk: Talk) -> Result<Exit> {
    Ok(made(job, place, output, talk)?.exit)
}

/// The same, and hands over what was made.
///
/// # Errors
/// When the request is wrong or the job fails.
pub fn made(job: &Job, place: Where, output: &Output, talk: Talk) -> Result<Followed> {
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
    let checked = sized.check(&blueprint.traits)?;
    let opening = Device::open(place.device, place.precision.into());
    let device = pollster::block_on(opening)?;
    Needs::of(&blueprint, &checked, &device)?.require_room(&checked, &device)?;
    let mut report = Report::new(talk);
    let mut tell = |event| {
        stop::leave_if_asked();
        report.event(&event);
    };
    let pictures = read_pictures(job)?;
    let session = pollster::block_on(Session::open(&device, &job.model, &checkpoint, &mut tell))?;
    let run = session.start_with(checked, latents, &pictures)?;
    follow(run, &out, &mut report)
}

/// The pictures that a job's guides name.
fn read_pictures(job: &Job) -> Result<Pictures> {
    let guides = job.guide.iter().flat_map(|guide| &guide.guides);
    let names = guides.flat_map(|guiding| guiding.target.files());
    names
        .map(|name| Ok((name.to_owned(), read_picture(Path::new(name))?)))
        .collect()
}

/// A picture from a PNG, JPEG or WebP file.
fn read_picture(path: &Path) -> Result<Picture> {
    let bytes = file::read(path)?;
    let decoded = image::load_from_memory(&bytes).map_err(|error| {
        Error::Request(format!("{}: this is no picture: {error}", path.display()))
    })?;
    let rgb = decoded.to_rgb8();
    let [wide, tall] = [rgb.width(), rgb.height()].map(|side| side as usize);
    Ok(Picture::from_rgb(wide, tall, rgb.into_raw()))
}

fn read_latents(path: &str) -> Result<Latents> {
    let file = Rc::new(DiskFile::open(Path::new(path))?);
    Ok(pollster::block_on(Latents::read(file))?)
}

/// Steps a run to its end, and saves what it makes.
fn follow(mut run: Run, out: &Place, report: &mut Report) -> Result<Followed> {
    let count = run.job().count;
    let mut all: Vec<Made> = Vec::new();
    while let Some(event) = pollster::block_on(run.step())? {
        report.event(&event);
        if let Some(made) = run.take() {
            save(&made, count, out, report)?;
            all.push(made);
        }
        if stop::asked() && !matches!(event, Event::Done { .. }) {
            report.event(&Event::Stopped {
                finished: run.finished(),
                of: count,
            });
            let exit = Exit::Interrupted;
            return Ok(Followed { exit, made: all });
        }
    }
    if count > 1 {
        let pictures = all.iter().map(|made| (made.seed, made.picture.clone()));
        save_sheet(&pictures.collect::<Vec<_>>(), out, report)?;
    }
    if let Some(path) = out.latents() {
        let latents: Vec<_> = all.iter().map(|made| made.latents.clone()).collect();
        save_latents(&path, run.latent_size(), &latents, report)?;
    }
    let exit = Exit::Done;
    Ok(Followed { exit, made: all })
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
fn save_latents(
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

fn saved(path: &Path, what: &str) -> Event {
    Event::Saved {
        path: path.display().to_string(),
        what: what.to_owned(),
    }
}
