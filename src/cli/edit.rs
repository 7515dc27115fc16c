//! `pnp`, `invert`, and the replay of an edit.

use std::path::Path;

use anyhow::{Context, Result};

use super::{
    believed::Believed,
    edit_flags::{Invert, Pnp, SourceFlags},
    exit::Exit,
    flags::{Output, Talk, Where},
    generate::{save_latents, saved},
    model,
    place::Place,
    report::Report,
    source::{frame, picture_source, traced},
    stop,
};
use crate::{
    error::Error,
    guidance::edit::Kept,
    picture::{self, Picture, png},
    session::{Blueprint, Edit, Event, Job, Needs, Session, Source},
    tensor::Device,
    weights::fingerprint::fingerprint,
};

/// Pictures in a row of a comparison.
const COLUMNS: usize = 6;

/// Restyles a picture.
///
/// # Errors
/// When the request is wrong or the job fails.
pub fn pnp(flags: &Pnp, talk: Talk) -> Result<Exit> {
    let wrong = |text: &str| Err(Error::Request(text.to_owned()).into());
    let (source, prompts) = if let Some(prompt) = &flags.generate {
        if flags.source.source_prompt.is_some() || flags.source.crop.is_some() {
            return wrong(
                "--generate makes the source from its prompt: leave --source-prompt and --crop out",
            );
        }
        let source = Source::Generated {
            prompt: prompt.clone(),
            negative: String::new(),
            seed: flags.source.seed,
            cfg_scale: None,
        };
        (source, &flags.words[..])
    } else {
        let [image, prompts @ ..] = &flags.words[..] else {
            return wrong("name a picture");
        };
        (picture(&flags.source, Path::new(image))?, prompts)
    };
    if prompts.is_empty() {
        return wrong("say what is to be seen instead: a prompt behind the picture");
    }
    let mut edit = Edit::of(source);
    edit.method = flags.method;
    edit.feature_window = flags.feature_window;
    edit.attention_window = flags.attention_window;
    edit.cross_window = flags.cross_window;
    edit.feature_layers.clone_from(&flags.feature_layers);
    edit.attention_layers.clone_from(&flags.attention_layers);
    edit.negative_alpha = flags.negative_alpha;
    edit.negative_schedule = flags.negative_schedule.map(Into::into);
    edit.negative_inversion = flags.negative_inversion;
    edit.strength = flags.strength;
    let mut job = based(&flags.source, edit);
    flags.sampling.apply(&mut job);
    flags.steering.apply(&mut job)?;
    let asked = Asked {
        prompts,
        trajectory: flags.source.trajectory.as_deref(),
        beside: true,
        previews: flags.previews,
    };
    work(&job, &asked, flags.place, &flags.output, talk)
}

/// Finds the latents of a picture.
///
/// # Errors
/// When the request is wrong or the job fails.
pub fn invert(flags: &Invert, talk: Talk) -> Result<Exit> {
    let edit = Edit::of(picture(&flags.source, &flags.image)?);
    let asked = Asked {
        prompts: &[],
        trajectory: flags.source.trajectory.as_deref(),
        beside: true,
        previews: false,
    };
    work(
        &based(&flags.source, edit),
        &asked,
        flags.place,
        &flags.output,
        talk,
    )
}

/// Repeats an edit that a picture remembers.
///
/// # Errors
/// When its source is gone, the request is wrong or the job fails.
pub fn again(job: &Job, place: Where, output: &Output, talk: Talk) -> Result<Exit> {
    let asked = Asked {
        prompts: std::slice::from_ref(&job.prompt),
        trajectory: None,
        beside: false,
        previews: false,
    };
    work(job, &asked, place, output, talk)
}

/// Says where the picture of a job's edit is now.
///
/// # Errors
/// When the job begins with no picture.
pub fn take_source(job: &mut Job, picture: &Path) -> Result<()> {
    let edit = job.edit.as_mut();
    let Some(Source::Picture { path, .. }) = edit.map(|edit| &mut edit.source) else {
        let text = "the picture's job begins with no other picture: leave --source out";
        return Err(Error::Request(text.to_owned()).into());
    };
    *path = picture.display().to_string();
    Ok(())
}

fn picture(flags: &SourceFlags, path: &Path) -> Result<Source> {
    let (_, sha256) = picture_source(path)?;
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok(Source::Picture {
        path: whole.display().to_string(),
        sha256,
        prompt: flags.source_prompt.clone().unwrap_or_default(),
        crop: flags.crop,
    })
}

fn based(flags: &SourceFlags, mut edit: Edit) -> Job {
    edit.inversion_steps = flags.inversion_steps;
    let mut job = Job {
        seed: flags.seed,
        edit: Some(edit),
        ..Job::default()
    };
    flags.chosen.apply(&mut job);
    job.quirks.edit.inversion = flags.inversion.map(Into::into);
    job.quirks.edit.encoding = flags.encoding.map(Into::into);
    job
}

/// What is wanted of a source.
struct Asked<'a> {
    /// A result for each.
    prompts: &'a [String],
    /// Where its latents are stored.
    trajectory: Option<&'a Path>,
    /// Whether the reconstruction and a comparison are wanted.
    beside: bool,
    /// Whether what each step believed in is wanted.
    previews: bool,
}

/// The name that files begin with: the picture's, or what is to be seen.
fn stem(job: &Job) -> String {
    match job.edit.as_ref().map(|edit| &edit.source) {
        Some(Source::Picture { path, .. }) => {
            let name = Path::new(path).file_stem().unwrap_or_default();
            name.to_string_lossy().into_owned()
        }
        Some(Source::Generated { prompt, .. }) => prompt.clone(),
        None => job.prompt.clone(),
    }
}

/// Does the edits of one source. What can be refused is refused before anything large is read or computed.
fn work(job: &Job, asked: &Asked<'_>, place: Where, output: &Output, talk: Talk) -> Result<Exit> {
    let mut report = Report::new(talk);
    let out = Place::new(output, &stem(job))?;
    let checkpoint = model::open(&job.model)?;
    let blueprint = Blueprint::read(&checkpoint)?;
    let mut framed = frame(job, &blueprint.traits, &mut report)?;
    let device = pollster::block_on(Device::open(place.device, place.precision.into()))?;
    Needs::of(&blueprint, &framed.job, &device)?.require_room(&framed.job, &device)?;
    let mut tell = |event| {
        stop::leave_if_asked();
        report.event(&event);
    };
    let session = pollster::block_on(Session::open(&device, &job.model, &checkpoint, &mut tell))?;
    let print = pollster::block_on(fingerprint(&checkpoint))?;
    let found = traced(&session, &framed, &print, asked.trajectory, &mut report)?;
    let Some(found) = found else {
        return Ok(stopped(0, asked, &mut report));
    };
    // Chosen by name, it may have been found otherwise than was asked for: the job says how it was.
    let mut own = framed.job.job().clone();
    if let Some(edit) = &mut own.edit {
        edit.inversion_steps = Some(found.origin.steps);
    }
    own.quirks.edit.inversion = Some(found.origin.inversion);
    own.quirks.edit.source_latents = Some(found.origin.source_latents);
    own.quirks.edit.encoding = Some(found.origin.encoding);
    framed.job = own.check(&blueprint.traits)?;

    let mut beside = Vec::new();
    if asked.beside
        && let Some(picture) = &framed.picture
    {
        beside.push(("source".to_owned(), picture.clone()));
    }
    if asked.beside && own.edit.as_ref().is_some_and(Edit::is_remade) {
        let reconstruction =
            pollster::block_on(session.picture(&framed.job, &found.reconstruction))?;
        let path = out.named("reconstruction");
        let notes = png::Notes {
            guidestar: own.of_reconstruction().map(|job| job.to_json()),
            ..png::Notes::default()
        };
        write(&out, &path, &reconstruction, &notes, &mut report)?;
        let label = match &framed.picture {
            Some(_) => "reconstruction",
            None => "source",
        };
        beside.push((label.to_owned(), reconstruction));
    }
    let mut latents = Vec::new();
    let kept = (asked.prompts.len() > 1 && framed.may_keep()).then(Kept::new);
    for (finished, prompt) in asked.prompts.iter().enumerate() {
        let job = Job {
            prompt: prompt.clone(),
            ..own.clone()
        };
        let checked = job.check(&blueprint.traits)?;
        let mut run = session.start_edit(checked, &found, kept.clone())?;
        let mut believed = Believed::default();
        while let Some(event) = pollster::block_on(run.step())? {
            report.event(&event);
            if asked.previews {
                believed.see(&run, &event)?;
            }
            if let Some(made) = run.take() {
                let path = if asked.prompts.len() == 1 {
                    out.only(prompt)
                } else {
                    out.named(prompt)
                };
                write(&out, &path, &made.picture, &made.notes, &mut report)?;
                if asked.previews {
                    let path = out.named(&format!("{prompt} steps"));
                    let strip = believed.strip();
                    write(&out, &path, &strip, &made.notes, &mut report)?;
                }
                latents.push(made.latents);
                beside.push((prompt.clone(), made.picture));
            }
            if stop::asked() && !matches!(event, Event::Done { .. }) {
                return Ok(stopped(finished, asked, &mut report));
            }
        }
    }
    if asked.beside {
        let path = out.named("comparison");
        let strip = picture::strip(&beside, COLUMNS);
        write(&out, &path, &strip, &png::Notes::default(), &mut report)?;
    }
    if let Some(path) = out.latents() {
        if asked.prompts.is_empty() {
            latents = found.noisiest().rows;
        }
        save_latents(&path, framed.job.latent_size(), &latents, &mut report)?;
    }
    Ok(Exit::Done)
}

fn stopped(finished: usize, asked: &Asked<'_>, report: &mut Report) -> Exit {
    report.event(&Event::Stopped {
        finished,
        of: asked.prompts.len(),
    });
    Exit::Interrupted
}

fn write(
    out: &Place,
    path: &Path,
    picture: &Picture,
    notes: &png::Notes,
    report: &mut Report,
) -> Result<()> {
    out.write(path, &png::encode(picture, notes)?)
        .with_context(|| format!("{} is lost", path.display()))?;
    report.event(&saved(path, "picture"));
    Ok(())
}
