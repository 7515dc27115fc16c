//! `models`: what is there, what a file is, and the same weights in another form.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::HumanBytes;
use serde::Serialize;

use super::{
    exit::Exit,
    fetch::{Remote, fetch, part_of},
    flags::Talk,
    known,
    model::{self, MINI},
    network,
    report::{self, Report},
};
use crate::{
    error::Error,
    picture::file,
    session::{Blueprint, Event},
    tensor::DType,
    weights::{
        Checkpoint, Component,
        convert::{Layout, Storage, convert},
    },
};

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum Models {
    /// Say what is built in, and what can be fetched and from where.
    List,
    /// Fetch one of those; a download that broke off goes on where it was.
    Get(Get),
    /// Say what a checkpoint is, and whether every weight is there and fits.
    Check(Check),
    /// Write a checkpoint in another layout or with smaller numbers.
    #[command(after_help = CONVERT_EXAMPLES)]
    Convert(Convert),
    /// Say what a network makes of one picture.
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<network::Run>),
}

const RUN_EXAMPLES: &str = "\
Examples:
  guidestar models run yunet_n.onnx --image photo.jpg --scale 255 --bgr
  guidestar models run MobileFaceNet.onnx --image face.png --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --save face.safetensors";

const CONVERT_EXAMPLES: &str = "\
Examples:
  guidestar models convert sd15.safetensors sd15/                     a diffusers folder
  guidestar models convert sd15/ sd15-f16.safetensors --storage f16   one file, half the size";

/// `guidestar models get`
#[derive(Debug, Args)]
pub struct Get {
    /// A name that `models list` shows.
    pub name: String,
    /// Where to put it [default: here, under its publisher's name].
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `guidestar models check`
#[derive(Debug, Args)]
pub struct Check {
    /// mini, a folder in the diffusers layout, or a .safetensors file.
    pub model: String,
}

/// `guidestar models convert`
#[derive(Debug, Args)]
pub struct Convert {
    /// mini, a folder in the diffusers layout, or a .safetensors file.
    #[arg(value_name = "IN")]
    pub input: String,
    /// A .safetensors file, or a folder.
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// How numbers are stored.
    #[arg(long, value_enum, default_value_t = StorageFlag::F16)]
    pub storage: StorageFlag,
}

/// Spellings of [`Storage`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum StorageFlag {
    /// Four bytes a number.
    F32,
    /// Two bytes a number.
    F16,
    /// One byte a number, and a scale for each output channel.
    Int8,
}

impl From<StorageFlag> for Storage {
    fn from(flag: StorageFlag) -> Self {
        match flag {
            StorageFlag::F32 => Self::F32,
            StorageFlag::F16 => Self::F16,
            StorageFlag::Int8 => Self::Int8,
        }
    }
}

/// Does it.
///
/// # Errors
/// When a checkpoint is none, or cannot be written.
pub fn models(command: &Models, talk: Talk) -> Result<Exit> {
    match command {
        Models::List => list(talk),
        Models::Get(flags) => get(flags, talk)?,
        Models::Check(flags) => check(&flags.model, talk)?,
        Models::Convert(flags) => rewrite(flags, talk)?,
        Models::Run(flags) => network::run(flags, talk)?,
    }
    Ok(Exit::Done)
}

fn list(talk: Talk) {
    let mini = model::open(MINI)
        .ok()
        .map(|checkpoint| stored_bytes(&checkpoint));
    if talk.json {
        let line = serde_json::json!({ "built_in": mini.map(|bytes| (MINI, bytes)), "to_fetch": known::all().collect::<Vec<_>>() });
        report::print(&line.to_string());
        return;
    }
    if let Some(bytes) = mini {
        report::print(&format!("{MINI}  built in, {}", HumanBytes(bytes)));
    }
    report::print("\nTo fetch with `guidestar models get NAME`; the flags that take the file:");
    for known in known::all() {
        report::print(&format!(
            "\n{}  {}, {}  ({})\n  {}\n  sha256 {}",
            known.name,
            HumanBytes(known.bytes),
            known.licence,
            known.used,
            known.address,
            known.sha256
        ));
    }
}

fn get(flags: &Get, talk: Talk) -> Result<()> {
    let wrong = |text: String| Err(Error::Request(text).into());
    let Some(known) = known::all().find(|known| known.name == flags.name) else {
        let names: Vec<_> = known::all().map(|known| known.name).collect();
        return wrong(format!(
            "nothing is called {:?}: there are {}",
            flags.name,
            names.join(", ")
        ));
    };
    let publisher_name = known.address.rsplit('/').next().unwrap_or(known.name);
    let path = flags.out.clone().unwrap_or_else(|| publisher_name.into());
    if path.exists() {
        return wrong(format!("{} is there already", path.display()));
    }
    file::check_writable(&path).map_err(|error| Error::Request(format!("{error:#}")))?;
    let mut report = Report::new(talk);
    report.say(&format!(
        "{} is under the licence {}",
        known.name, known.licence
    ));
    let remote = Remote {
        address: known.address,
        bytes: known.bytes,
        sha256: known.sha256,
    };
    let fetched = fetch(&remote, &path, &mut |done_bytes| {
        report.event(&Event::Loading {
            part: known.name.to_owned(),
            done_bytes,
            total_bytes: known.bytes,
        });
    });
    if let Err(Error::Interrupted) = fetched {
        let part = part_of(&path);
        report.say(&format!(
            "{} is kept: the same command goes on with it",
            part.display()
        ));
    }
    fetched?;
    report.event(&saved_model(&path));
    if let Some(card) = known.card {
        let beside = path.with_extension("json");
        file::write(&beside, format!("{card}\n").as_bytes())?;
        report.say(&format!(
            "{} says how it wants its pictures",
            beside.display()
        ));
    }
    Ok(())
}

/// What a checkpoint is.
#[derive(Serialize)]
struct Found {
    place: String,
    what: &'static str,
    parts: Vec<FoundPart>,
    prediction: crate::diffusion::schedule::PredictionType,
    size: String,
    bytes_in_f16: u64,
    bytes_in_f32: u64,
}

#[derive(Serialize)]
struct FoundPart {
    name: &'static str,
    tensors: usize,
    parameters: u64,
    stored_bytes: u64,
}

fn check(name: &str, talk: Talk) -> Result<()> {
    let checkpoint = model::open(name)?;
    let blueprint = Blueprint::read(&checkpoint)?;
    let needed = blueprint.needed()?;
    let parts = [
        (&checkpoint.text_encoder, &needed.text_encoder),
        (&checkpoint.unet, &needed.unet),
        (&checkpoint.vae, &needed.autoencoder),
    ];
    for (component, needed) in parts {
        crate::weights::load::check(&component.tensors, needed)?;
    }
    let found = Found {
        place: checkpoint.place.clone(),
        what: "Stable Diffusion 1.x",
        parts: parts.map(|(component, _)| found_part(component)).into(),
        prediction: blueprint.traits.prediction,
        size: blueprint.traits.size.to_string(),
        bytes_in_f16: needed.device_bytes(DType::F16),
        bytes_in_f32: needed.device_bytes(DType::F32),
    };
    report::print(&if talk.json {
        serde_json::to_string(&found)?
    } else {
        described(&found)
    });
    Ok(())
}

fn found_part(component: &Component) -> FoundPart {
    FoundPart {
        name: component.part.folder(),
        tensors: component.tensors.stored().len(),
        parameters: component.tensors.elements(),
        stored_bytes: component.tensors.stored_bytes(),
    }
}

fn described(found: &Found) -> String {
    let parts = found.parts.iter().map(|part| {
        format!(
            "\n  {:<12} {:>4} tensors, {:>11} parameters, {}",
            part.name,
            part.tensors,
            part.parameters,
            HumanBytes(part.stored_bytes)
        )
    });
    format!(
        "{}: {}, every weight is there and fits{}\n  trained at {}\n  weights take {} in f16, {} in f32",
        found.place,
        found.what,
        parts.collect::<String>(),
        found.size,
        HumanBytes(found.bytes_in_f16),
        HumanBytes(found.bytes_in_f32)
    )
}

fn stored_bytes(checkpoint: &Checkpoint) -> u64 {
    [&checkpoint.text_encoder, &checkpoint.unet, &checkpoint.vae]
        .map(|component| component.tensors.stored_bytes())
        .into_iter()
        .sum()
}

fn rewrite(flags: &Convert, talk: Talk) -> Result<()> {
    let checkpoint = model::open(&flags.input)?;
    let is_file = flags
        .output
        .extension()
        .is_some_and(|ending| ending == "safetensors");
    let layout = if is_file {
        Layout::SingleFile
    } else {
        Layout::Folder
    };
    let mut report = Report::new(talk);
    pollster::block_on(convert(
        &checkpoint,
        &flags.output,
        layout,
        flags.storage.into(),
        &mut |at| {
            report.event(&Event::Loading {
                part: flags.input.clone(),
                done_bytes: at.done_bytes,
                total_bytes: at.total_bytes,
            });
        },
    ))?;
    report.event(&saved_model(&flags.output));
    Ok(())
}

fn saved_model(path: &Path) -> Event {
    Event::Saved {
        path: path.display().to_string(),
        what: "model".to_owned(),
    }
}
