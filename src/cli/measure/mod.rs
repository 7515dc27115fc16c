//! `measure`: numbers of pictures, and of pictures beside others.

mod pairs;
mod row;
mod sight;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{
    exit::Exit,
    flags::{Talk, Where},
    report::{self, Report},
    source::opened,
};
use crate::{
    error::Error,
    measures::{Mask, Masking, mse, psnr, sharpness, ssim, structure_distance},
    picture::{Framing, Picture, file, png},
    session::{Event, Job},
    tensor::Device,
};

use pairs::pairs;
use row::{Mean, Row};
use sight::Sight;

/// `guidestar measure`
#[derive(Debug, Args)]
pub struct Measure {
    /// Pictures, or folders of them.
    #[arg(required = true, value_name = "PICTURE|FOLDER")]
    pub pictures: Vec<PathBuf>,
    /// What each is compared with: one picture for all, or a folder that has a picture of the same name for each.
    #[arg(long, value_name = "PICTURE|FOLDER")]
    pub against: Option<PathBuf>,
    /// What is to be seen in them [default: the prompt that a picture remembers].
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Compare only where this picture is light.
    #[arg(long, value_name = "PICTURE", requires = "against")]
    pub mask: Option<PathBuf>,
    /// Compare only where it is dark: the background of what was edited.
    #[arg(long, requires = "mask")]
    pub outside: bool,
    /// What becomes of the pixels that are left out.
    #[arg(long, value_enum, default_value_t = MaskingFlag::Only, requires = "mask")]
    pub masking: MaskingFlag,
    /// An ONNX network whose features tell how a picture is laid out, such as DINO's [default: the guides that come along].
    #[arg(long, value_name = "NET", requires = "against")]
    pub features: Option<PathBuf>,
    /// Which of its values they are, [1, places, numbers] or [1, numbers, height, width] [default: its first output].
    #[arg(long, value_name = "NAME", requires = "features")]
    pub output: Option<String>,
    /// Where to compute.
    #[command(flatten)]
    pub place: Where,
}

/// Spellings of [`Masking`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MaskingFlag {
    /// They do not count.
    Only,
    /// They become black in both pictures, as `PnPInversion`'s evaluation has it.
    Blackened,
}

impl From<MaskingFlag> for Masking {
    fn from(flag: MaskingFlag) -> Self {
        match flag {
            MaskingFlag::Only => Self::Only,
            MaskingFlag::Blackened => Self::Blackened,
        }
    }
}

/// Measures pictures.
///
/// # Errors
/// When a picture cannot be read, or is compared with what it cannot be compared with.
pub fn measure(flags: &Measure, talk: Talk) -> Result<Exit> {
    let pairs = pairs(&flags.pictures, flags.against.as_deref())?;
    let mut report = Report::new(talk);
    let mask = match &flags.mask {
        Some(path) => Some(opened(path, &mut report)?),
        None => None,
    };
    let opening = Device::open(flags.place.device, flags.place.precision.into());
    let device = pollster::block_on(opening)?;
    let sight = Sight::open(&device, flags.features.as_deref(), flags.output.as_deref())?;
    let asked = Asked { flags, mask, sight };
    let mut mean = Mean::default();
    let widest = pairs.iter().map(|pair| pair.name.chars().count()).max();
    let columns = row::Columns {
        name: widest.unwrap_or(0),
        compared: flags.against.is_some(),
    };
    for (at, pair) in pairs.iter().enumerate() {
        let row = asked.row(pair, &mut report)?;
        if at == 0 && !talk.json {
            report::print(&columns.heading());
        }
        let line = if talk.json {
            row.to_json()
        } else {
            columns.line(&row)
        };
        report::print(&line);
        mean.add(&row);
    }
    if pairs.len() > 1 {
        let line = if talk.json {
            mean.to_json()
        } else {
            columns.line(&mean.row())
        };
        report::print(&line);
    }
    Ok(Exit::Done)
}

/// What is measured, and with what.
struct Asked<'a> {
    flags: &'a Measure,
    mask: Option<Picture>,
    sight: Sight,
}

impl Asked<'_> {
    fn row(&self, pair: &pairs::Pair, report: &mut Report) -> Result<Row> {
        let picture = opened(&pair.picture, report)?;
        let prompt = self
            .flags
            .prompt
            .clone()
            .or_else(|| remembered(&pair.picture));
        let mut row = Row {
            picture: pair.name.clone(),
            sharpness: Some(sharpness(&picture)),
            ..Row::default()
        };
        if let Some(opinion) = self.sight.opinion(&picture, prompt.as_deref())? {
            row.text_score = opinion.text_score;
            row.thing = Some(opinion.thing.name);
            row.thing_confidence = opinion.thing_confidence;
            row.colour = Some(opinion.colour.name);
            row.colour_confidence = opinion.colour_confidence;
        }
        row.prompt = prompt;
        if let Some(other) = &pair.against {
            self.compare(&picture, other, &mut row, report)?;
        }
        Ok(row)
    }

    fn compare(
        &self,
        picture: &Picture,
        other: &Path,
        row: &mut Row,
        report: &mut Report,
    ) -> Result<()> {
        row.against = Some(other.display().to_string());
        let size = [picture.width_px(), picture.height_px()];
        let other = fitted(opened(other, report)?, size, other, report)?;
        let mask = match &self.mask {
            Some(light) => Some(self.masked(light, size)?),
            None => None,
        };
        let (mask, picture_seen, other_seen) = match (mask, Masking::from(self.flags.masking)) {
            (Some(mask), Masking::Blackened) => (None, mask.blacken(picture), mask.blacken(&other)),
            (mask, _) => (mask, picture.clone(), other.clone()),
        };
        let error = mse(&picture_seen, &other_seen, mask.as_ref());
        row.mse = Some(error);
        row.psnr = Some(psnr(error));
        row.ssim = ssim(&picture_seen, &other_seen, mask.as_ref());
        if let Some(features) = self.sight.features(picture)?
            && let Some(others) = self.sight.features(&other)?
        {
            row.structure = Some(structure_distance(&features, &others));
        }
        Ok(())
    }

    fn masked(&self, light: &Picture, size: [usize; 2]) -> Result<Mask> {
        let mask = Mask::light(&Framing::default().apply(light, size)?);
        let mask = if self.flags.outside {
            mask.inverted()
        } else {
            mask
        };
        if mask.count() == 0 {
            let side = if self.flags.outside { "dark" } else { "light" };
            let text = format!("the mask is nowhere {side}: there is nothing to compare");
            return Err(Error::Request(text).into());
        }
        Ok(mask)
    }
}

/// The picture that another is compared with, in its size: framed as edits frame their source.
fn fitted(other: Picture, size: [usize; 2], path: &Path, report: &mut Report) -> Result<Picture> {
    let own = [other.width_px(), other.height_px()];
    if own == size {
        return Ok(other);
    }
    let message = format!(
        "{} has {}x{} pixels: its middle is brought to {}x{}, as edits do",
        path.display(),
        own[0],
        own[1],
        size[0],
        size[1]
    );
    report.event(&Event::Warning { message });
    Ok(Framing::default().apply(&other, size)?)
}

/// The prompt that a picture remembers, if it does.
fn remembered(path: &Path) -> Option<String> {
    let notes = png::notes(&file::read(path).ok()?).ok()?;
    let job = Job::from_json(&notes.guidestar?).ok()?;
    (!job.prompt.is_empty()).then_some(job.prompt)
}
