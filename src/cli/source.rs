//! The source of an edit on this machine: its picture, and where its latents are stored.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    rc::Rc,
};

use anyhow::Result;

use super::{generate::saved, report::Report, stop};
use crate::{
    error::Error,
    picture::{self, Picture, file},
    session::{Event, Framed, Job, Origin, Session, Source, Traced, Traits},
    weights::{disk::DiskFile, fingerprint::sha256},
};

/// A picture's file and its SHA-256.
///
/// # Errors
/// When it cannot be read.
pub fn picture_source(path: &Path) -> Result<(Vec<u8>, String)> {
    let bytes = file::read(path)?;
    let sum = sha256(&bytes);
    Ok((bytes, sum))
}

/// Reads a picture, and tells what was lost in it.
///
/// # Errors
/// When it is none that is known.
pub fn opened(path: &Path, report: &mut Report) -> Result<Picture> {
    Ok(understood(&file::read(path)?, &path.display(), report)?)
}

/// A picture from its file's bytes; tells what was lost in it.
///
/// # Errors
/// When it is none that is known.
pub fn understood(
    bytes: &[u8],
    place: &dyn Display,
    report: &mut Report,
) -> Result<Picture, Error> {
    let opened =
        picture::open(bytes).map_err(|error| Error::Request(format!("{place}: {error}")))?;
    for message in opened.warnings {
        let message = format!("{place}: {message}");
        report.event(&Event::Warning { message });
    }
    Ok(opened.picture)
}

/// Reads the source of a job's edit, and brings it to the model's size.
///
/// # Errors
/// When it is gone, changed or no picture, or the job is wrong.
pub fn frame(job: &Job, model: &Traits, report: &mut Report) -> Result<Framed> {
    let Some(Source::Picture { path, sha256, .. }) = job.edit.as_ref().map(|edit| &edit.source)
    else {
        return Ok(Framed::new(job, None, model)?);
    };
    let (bytes, sum) = picture_source(Path::new(path)).map_err(|error| {
        error.context(format!(
            "the picture {path} that this edit begins with is not there: say with --source where it is"
        ))
    })?;
    if !sha256.is_empty() && sum != *sha256 {
        let text =
            format!("{path} is another picture than the one that was edited: put that one back");
        return Err(Error::Request(text).into());
    }
    let picture = understood(&bytes, path, report)?;
    let place = path.clone();
    let mut job = job.clone();
    if let Some(Source::Picture { sha256, .. }) = job.edit.as_mut().map(|edit| &mut edit.source) {
        *sha256 = sum;
    }
    let framed = Framed::new(&job, Some(&picture), model)?;
    for message in &framed.warnings {
        let message = format!("{place}: {message}");
        report.event(&Event::Warning { message });
    }
    Ok(framed)
}

/// Finds the latents of a source: in the file that was named, in the cache, or by computing and storing them. `None` when the
/// person asked to stop.
///
/// # Errors
/// When a file is of another source, or computing them fails.
pub fn traced(
    session: &Session,
    framed: &Framed,
    model: &str,
    named: Option<&Path>,
    report: &mut Report,
) -> Result<Option<Traced>> {
    let picture = framed.picture.as_ref();
    let origin = Origin::new(&framed.job, model, picture, session.device().dtype());
    if let Some(path) = named.filter(|path| path.exists()) {
        let stored = read(path)?;
        stored
            .origin
            .require(&origin, &path.display().to_string())?;
        return Ok(Some(stored));
    }
    let cached = cache(&origin);
    if named.is_none()
        && let Some(path) = cached.as_ref().filter(|path| path.exists())
    {
        match read(path) {
            Ok(stored) if stored.origin == origin => return Ok(Some(stored)),
            Ok(_) => log::warn!("{} is of another source", path.display()),
            Err(error) => log::warn!("{error:#}; its latents are found again"),
        }
    }
    let mut trace = session.trace(&framed.job, origin, picture)?;
    while let Some(event) = pollster::block_on(trace.step())? {
        report.event(&event);
        if stop::asked() {
            return Ok(None);
        }
    }
    let found = trace
        .take()
        .expect("a trace that ended has found its latents");
    let bytes = found.to_bytes();
    match (named, cached) {
        (Some(path), _) => {
            file::write(path, &bytes)?;
            report.event(&saved(path, "trajectory"));
        }
        (None, Some(path)) => {
            // The latents are only there to save time.
            let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            let written = folder
                .map_err(|error| error.to_string())
                .and_then(|()| file::write(&path, &bytes).map_err(|error| error.to_string()));
            if let Err(error) = written {
                log::warn!("the source's latents are not stored: {error}");
            }
        }
        (None, None) => {}
    }
    Ok(Some(found))
}

fn read(path: &Path) -> Result<Traced> {
    let file = Rc::new(DiskFile::open(path)?);
    Ok(pollster::block_on(Traced::read(file))?)
}

/// Where the latents of a source are stored between two edits.
fn cache(origin: &Origin) -> Option<PathBuf> {
    let folder = dirs::cache_dir()?.join("guidestar").join("trajectories");
    Some(folder.join(format!("{}.safetensors", origin.name())))
}
