//! What a job's guides are made of, read from this machine's files.

use std::{path::Path, rc::Rc};

use super::{fetch::sum, report::Report, source::understood};
use crate::{
    error::{Error, Result},
    picture::file,
    session::{Guiding, Job, Materials, NamedFile, Target},
    weights::{WeightSource, disk::DiskFile, fingerprint::sha256, guides, recognise::Format},
};

/// What is read whole has no more bytes. It is also what the format of ONNX files ends at.
const LONGEST_BYTES: u64 = 2 << 30;

/// A file as a job remembers it: where it is, wherever the job is replayed from, and what is in it.
///
/// # Errors
/// When it cannot be read.
pub fn named(path: &Path) -> Result<NamedFile> {
    let file = DiskFile::open(path)?;
    let bytes = pollster::block_on(file.size_bytes())?;
    if bytes > LONGEST_BYTES && !is_weights(&file)? {
        return Err(Error::Request(format!(
            "{} has {bytes} bytes, and a picture or an ONNX network has no more than {LONGEST_BYTES}: take a smaller one",
            path.display()
        )));
    }
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok(NamedFile {
        path: whole.display().to_string(),
        sha256: sum(path)?,
    })
}

/// Reads everything that a job's guides name.
///
/// # Errors
/// When a file is gone, is another than it was, or is not what it should be.
pub fn read(job: &Job, report: &mut Report) -> Result<Materials> {
    let guides = job.guide.as_ref().map(|guide| &guide.guides[..]);
    of(guides.unwrap_or_default(), report)
}

/// Reads everything that guides name.
///
/// # Errors
/// As [`read`].
pub fn of(guides: &[Guiding], report: &mut Report) -> Result<Materials> {
    let mut materials = Materials::default();
    let targets = || guides.iter().map(|guiding| &guiding.target);
    for name in targets().flat_map(Target::pictures) {
        let bytes = contents(name)?;
        let picture = understood(&bytes, &name.path, report)?;
        materials.pictures.insert(name.clone(), picture);
    }
    for name in targets().flat_map(Target::files) {
        let path = Path::new(&name.path);
        let source = DiskFile::open(path)?;
        if is_weights(&source)? {
            require_same(name, &sum(path)?)?;
            materials.weights.insert(name.clone(), Rc::new(source));
        } else {
            materials.files.insert(name.clone(), contents(name)?);
        }
    }
    if targets().any(Target::needs_eyes) {
        matched(&mut materials)?;
    }
    Ok(materials)
}

#[cfg(feature = "mini")]
fn matched(materials: &mut Materials) -> Result<()> {
    materials.words = Some(super::model::mini_words()?);
    materials.matched = Some(Box::new(guides::files()));
    Ok(())
}

#[cfg(not(feature = "mini"))]
fn matched(_: &mut Materials) -> Result<()> {
    Err(Error::Request(
        "this build comes without the networks that this guide needs: build it with the feature mini"
            .to_owned(),
    ))
}

fn contents(name: &NamedFile) -> Result<Vec<u8>> {
    let path = &name.path;
    let bytes = file::read(Path::new(path))?;
    require_same(name, &sha256(&bytes))?;
    Ok(bytes)
}

fn require_same(name: &NamedFile, found: &str) -> Result<()> {
    if name.sha256.is_empty() || found == name.sha256 {
        return Ok(());
    }
    Err(Error::Request(format!(
        "{} is another file than the one that guided: put that one back",
        name.path
    )))
}

fn is_weights(file: &DiskFile) -> Result<bool> {
    Ok(pollster::block_on(Format::read(file))?.holds_tensors())
}
