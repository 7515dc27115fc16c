//! `batch`: many jobs from a file, in shards, gone on with after a kill.

mod manifest;
mod shard;

use std::{
    path::{Path, PathBuf},
    rc::Rc,
};

use anyhow::Result;
use clap::Args;

use super::{
    exit::Exit,
    flags::{Talk, Where},
    materials, model,
    report::Report,
    source::{frame, traced},
    stop,
};
use crate::{
    error::Error,
    picture::{file, png},
    session::{Blueprint, Event, Framed, Job, Latents, Made, Needs, Run, Session},
    tensor::Device,
    weights::{Checkpoint, disk::DiskFile, fingerprint::fingerprint},
};

use manifest::{Entry, Manifest};
use shard::Shard;

/// `guidestar batch`
#[derive(Debug, Args)]
pub struct Batch {
    /// A file with a job in each line, as JSON: {"prompt": "a fox", "seed": 1}.
    #[arg(value_name = "JOBS.jsonl")]
    pub jobs: PathBuf,
    /// The folder for pictures and the manifest.
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
    /// Do only the lines whose number from 0 on leaves the rest I when divided by N.
    #[arg(long, value_name = "I/N", default_value = "0/1")]
    pub shard: Shard,
    /// Where to compute.
    #[command(flatten)]
    pub place: Where,
}

/// Does the jobs of a file.
///
/// # Errors
/// When the file cannot be read, nothing can be written, or there is no device. A job that fails is told and noted.
pub fn batch(flags: &Batch, talk: Talk) -> Result<Exit> {
    let text = String::from_utf8(file::read(&flags.jobs)?).map_err(|_| {
        let place = flags.jobs.display();
        Error::Request(format!(
            "{place} is no text: a job file has a job in each line, as JSON"
        ))
    })?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(number, line)| flags.shard.has(*number) && !line.trim().is_empty());
    std::fs::create_dir_all(&flags.out).map_err(|source| Error::Write {
        place: flags.out.display().to_string(),
        source,
    })?;
    let manifest = Manifest::open(&flags.out, flags.shard)?;
    let opening = Device::open(flags.place.device, flags.place.precision.into());
    let mut work = Work {
        device: pollster::block_on(opening)?,
        model: None,
        out: &flags.out,
        manifest,
        report: Report::new(talk),
        made: 0,
        there: 0,
        failed: 0,
    };
    for (number, line) in lines {
        match work.line(number, line) {
            Ok(()) => {}
            Err(error) if is_the_jobs(&error) => work.fail(number, line, &error)?,
            Err(Error::Interrupted) => {
                work.report.clear();
                work.sum_up("stopped");
                return Ok(Exit::Interrupted);
            }
            Err(error) => return Err(error.into()),
        }
    }
    work.report.clear();
    work.sum_up("done");
    Ok(if work.failed == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Whether an error is about one job, so that the others can go on.
fn is_the_jobs(error: &Error) -> bool {
    !matches!(
        error,
        Error::Interrupted | Error::NoDevice(_) | Error::DeviceLost(_) | Error::Write { .. }
    )
}

/// A model that is open.
struct Model {
    name: String,
    blueprint: Blueprint,
    checkpoint: Checkpoint,
    session: Option<Session>,
    /// What sets it apart from all others, once an edit has asked for it.
    print: Option<String>,
}

/// What is under way.
struct Work<'a> {
    device: Device,
    model: Option<Model>,
    out: &'a Path,
    manifest: Manifest,
    report: Report,
    made: usize,
    there: usize,
    failed: usize,
}

impl Work<'_> {
    /// Makes what a line asks for and is not there yet.
    fn line(&mut self, number: usize, line: &str) -> crate::Result<()> {
        let job = Job::from_json(line)?;
        self.choose(&job.model)?;
        let traits = self.model().blueprint.traits.clone();
        let latents = job.latents.as_deref().map(read_latents).transpose()?;
        let size = latents
            .as_ref()
            .map(|latents| latents.picture_size(traits.reduction));
        let sized = Job {
            size: job.size.or(size),
            made_on: None,
            ..job
        };
        let count = sized.check(&traits)?.job().count;
        for which in 0..count {
            let alone = Job {
                seed: sized.seed + which as u64,
                count: 1,
                ..sized.clone()
            };
            let entry = Entry::of(number, alone.seed, line);
            if self.manifest.has(&entry) && self.out.join(&entry.file).exists() {
                self.there += 1;
                continue;
            }
            let latents = latents.as_ref().map(|latents| Latents {
                size: latents.size,
                rows: vec![latents.rows[which.min(latents.rows.len() - 1)].clone()],
            });
            self.picture(&alone, latents, &entry)?;
        }
        Ok(())
    }

    fn picture(&mut self, job: &Job, latents: Option<Latents>, entry: &Entry) -> crate::Result<()> {
        let path = self.out.join(&entry.file);
        let traits = self.model().blueprint.traits.clone();
        let framed = frame(job, &traits, &mut self.report).map_err(as_ours)?;
        let checked = &framed.job;
        // A kill between the picture and its line in the manifest leaves a whole picture that remembers its job.
        if remembered(&path).is_some_and(|found| found == *checked.job()) {
            self.there += 1;
            return self.manifest.add(entry);
        }
        let needs = Needs::of(&self.model().blueprint, checked, &self.device)?;
        needs.require_room(checked, &self.device)?;
        self.load()?;
        let mut run = self.begin(framed, latents)?;
        while let Some(event) = pollster::block_on(run.step())? {
            self.report.event(&event);
            if let Some(made) = run.take() {
                return self.save(&path, &made, entry);
            }
            if stop::asked() {
                return Err(Error::Interrupted);
            }
        }
        Ok(())
    }

    /// Begins a job; an edit's source is looked for in the cache first.
    fn begin(&mut self, framed: Framed, latents: Option<Latents>) -> crate::Result<Run> {
        if framed.job.job().edit.is_none() {
            let materials = materials::read(framed.job.job(), &mut self.report)?;
            let aims = pollster::block_on(framed.job.aims(&materials, &self.device))?;
            return self.session().start_with(framed.job, latents, aims);
        }
        let model = self.model.as_mut().expect("a line chooses its model first");
        let print = match &model.print {
            Some(print) => print,
            None => model
                .print
                .insert(pollster::block_on(fingerprint(&model.checkpoint))?),
        };
        let session = model.session.as_ref().expect("it was loaded just before");
        let found = traced(session, &framed, print, None, &mut self.report).map_err(as_ours)?;
        session.start_edit(framed.job, &found.ok_or(Error::Interrupted)?, None)
    }

    /// The picture first, and its line in the manifest when it is whole on the disk.
    fn save(&mut self, path: &Path, made: &Made, entry: &Entry) -> crate::Result<()> {
        file::write(path, &png::encode(&made.picture, &made.notes)?)?;
        self.manifest.add(entry)?;
        self.made += 1;
        self.report.event(&Event::Saved {
            path: path.display().to_string(),
            what: "picture".to_owned(),
        });
        Ok(())
    }

    fn fail(&mut self, number: usize, line: &str, error: &Error) -> crate::Result<()> {
        self.failed += 1;
        let text = format!("line {}: {error}", number + 1);
        self.report.event(&Event::Warning { message: text });
        self.manifest.add_failure(number, line, &error.to_string())
    }

    /// Describes a model; its weights are read when the first picture needs them.
    fn choose(&mut self, name: &str) -> crate::Result<()> {
        if self.model.as_ref().is_some_and(|model| model.name == name) {
            return Ok(());
        }
        // The one before gives its memory back first.
        self.model = None;
        let checkpoint = model::open(name)?;
        self.model = Some(Model {
            name: name.to_owned(),
            blueprint: Blueprint::read(&checkpoint)?,
            checkpoint,
            session: None,
            print: None,
        });
        Ok(())
    }

    fn load(&mut self) -> crate::Result<()> {
        let report = &mut self.report;
        let mut tell = |event| {
            stop::leave_if_asked();
            report.event(&event);
        };
        let model = self.model.as_mut().expect("a line chooses its model first");
        if model.session.is_none() {
            let opening = Session::open(&self.device, &model.name, &model.checkpoint, &mut tell);
            model.session = Some(pollster::block_on(opening)?);
        }
        Ok(())
    }

    fn model(&self) -> &Model {
        self.model.as_ref().expect("a line chooses its model first")
    }

    fn session(&self) -> &Session {
        let session = self.model().session.as_ref();
        session.expect("it was loaded just before")
    }

    fn sum_up(&self, how: &str) {
        let Self {
            made,
            there,
            failed,
            ..
        } = self;
        self.report.say(&format!(
            "{how}: {made} pictures made, {there} were there before, {failed} jobs failed"
        ));
    }
}

fn read_latents(path: &str) -> crate::Result<Latents> {
    let file = Rc::new(DiskFile::open(Path::new(path))?);
    pollster::block_on(Latents::read(file))
}

/// The job that a picture remembers, without what it was made on.
fn remembered(path: &Path) -> Option<Job> {
    let notes = png::notes(&std::fs::read(path).ok()?).ok()?;
    let job = Job::from_json(&notes.guidestar?).ok()?;
    Some(Job {
        made_on: None,
        ..job
    })
}

/// The crate's own error inside the command line's.
fn as_ours(error: anyhow::Error) -> Error {
    let said = format!("{error:#}");
    error.downcast().unwrap_or(Error::Request(said))
}
