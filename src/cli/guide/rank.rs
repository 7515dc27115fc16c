//! `rank`: pictures that are there already, the best first as guides see them.

use std::{
    cmp::Ordering,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use super::{
    flags::{Weights, guiding},
    targets::Targets,
};
use crate::{
    cli::{
        exit::Exit,
        flags::{Talk, Where},
        generate::saved,
        materials,
        report::{self, Report},
        source::opened,
        stop,
    },
    error::Error,
    guidance::universal::Aim,
    picture::{Picture, file},
    session::{
        Guiding, Materials, Size,
        guide::{Judge, aims, judged, judges, scores, together},
    },
    tensor::Device,
};

/// Shown behind the help.
pub const EXAMPLES: &str = "\
Examples:
  guidestar rank out/*.png --text \"a fox on snow\"
  guidestar rank out/*.png --class dog --keep 3 --out best/
  guidestar rank photos/*.jpg --style painting.jpg --colour \"#d08040\" --json";

/// `guidestar rank`
#[derive(Debug, Args)]
pub struct Rank {
    /// The pictures.
    #[arg(required = true, value_name = "IMAGE")]
    pub files: Vec<PathBuf>,
    /// Only the best of them.
    #[arg(long, value_name = "K")]
    pub keep: Option<usize>,
    /// Copy them into this folder, each behind its place.
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where to compute.
    #[command(flatten)]
    pub place: Where,
    /// What to look for.
    #[command(flatten)]
    pub targets: Targets,
    /// How much each guide counts.
    #[command(flatten)]
    pub weights: Weights,
}

/// A picture with what guides say of it; greater is better.
struct Ranked<'a> {
    path: &'a Path,
    /// By the guides.
    scores: Vec<(String, f32)>,
    /// By who judges in their place.
    verdicts: Vec<f32>,
    together: f64,
}

/// Ranks pictures.
///
/// # Errors
/// When the request is wrong, a picture cannot be read, or the device fails.
pub fn rank(flags: &Rank, talk: Talk) -> Result<Exit> {
    let wrong = |text: &str| Err(Error::Request(text.to_owned()).into());
    let guides = guiding(flags.targets.spelled()?, &flags.weights)?;
    if guides.is_empty() {
        return wrong("there is nothing to rank by: name a guide, such as --text \"a fox\"");
    }
    if flags.keep == Some(0) {
        return wrong("--keep 0 keeps nothing: ask for at least 1");
    }
    let mut report = Report::new(talk);
    let materials = materials::of(&guides, &mut report)?;
    let opening = Device::open(flags.place.device, flags.place.precision.into());
    let device = pollster::block_on(opening)?;
    let mut sized = Vec::new();
    let mut ranked = Vec::new();
    for path in &flags.files {
        if stop::asked() {
            return Ok(Exit::Interrupted);
        }
        let picture = opened(path, &mut report)?;
        let (aims, judges) = judging(&mut sized, &picture, &guides, &materials, &device)?;
        let scores = pollster::block_on(scores(aims, &picture, &device))?;
        let verdicts = pollster::block_on(judged(judges, &scores, &picture, &device))?;
        ranked.push(Ranked {
            path,
            together: together(judges, &verdicts),
            scores,
            verdicts,
        });
    }
    // Who judges does not depend on the size.
    let judges = sized.first().map_or(&[][..], |(.., judges)| judges);
    report.say(&by_whom(judges));
    ranked.sort_by(|a, b| best_first(a.together, b.together));
    ranked.truncate(flags.keep.unwrap_or(usize::MAX));
    for (place, one) in ranked.iter().enumerate() {
        report::print(&line(place + 1, one, judges, talk));
        if let Some(folder) = &flags.out {
            copy(folder, place + 1, one.path, &mut report)?;
        }
    }
    Ok(Exit::Done)
}

/// Guides for pictures of one size; some depend on it.
type Sized = Vec<([usize; 2], Vec<Aim>, Vec<Judge>)>;

fn judging<'a>(
    sized: &'a mut Sized,
    picture: &Picture,
    guides: &[Guiding],
    materials: &Materials,
    device: &Device,
) -> Result<(&'a [Aim], &'a [Judge])> {
    let size = [picture.width_px(), picture.height_px()];
    let known = sized.iter().position(|(known, ..)| *known == size);
    let at = known.unwrap_or(sized.len());
    if known.is_none() {
        let [width_px, height_px] = size;
        let whole = Size {
            width_px,
            height_px,
        };
        let made = pollster::block_on(aims(guides, materials, whole, device))?;
        let others = judges(guides, &made, materials, whole, device);
        let others = pollster::block_on(others)?;
        sized.push((size, made, others));
    }
    let (_, aims, judges) = &sized[at];
    Ok((aims, judges))
}

/// Says whose word the order is.
pub fn by_whom(judges: &[Judge]) -> String {
    let named = |held_out: bool| {
        let some = judges
            .iter()
            .filter(|judge| judge.is_held_out() == held_out);
        let names: Vec<_> = some.map(|judge| judge.name.as_str()).collect();
        names.join(", ")
    };
    match (named(true), named(false)) {
        (others, own) if own.is_empty() => {
            format!("ranked by who did not guide ({others})")
        }
        (others, own) if others.is_empty() => {
            format!("ranked by the guides themselves: nobody else can judge {own}")
        }
        (others, own) => format!(
            "ranked by who did not guide ({others}), and by the guides themselves where nobody else can judge ({own})"
        ),
    }
}

/// Scores in order. What is no number comes last.
pub fn best_first(a: f64, b: f64) -> Ordering {
    let key = |score: f64| {
        if score.is_nan() {
            f64::NEG_INFINITY
        } else {
            score
        }
    };
    key(b).total_cmp(&key(a))
}

fn line(place: usize, one: &Ranked<'_>, judges: &[Judge], talk: Talk) -> String {
    let path = one.path.display().to_string();
    let all = judges.iter().zip(&one.verdicts).zip(&one.scores);
    if talk.json {
        let scores: Vec<_> = all
            .map(|((judge, score), (guide, own))| {
                json!({"guide": guide, "score": score, "held_out": judge.is_held_out(), "guides_own": own})
            })
            .collect();
        return json!({"place": place, "path": path, "score": one.together, "scores": scores})
            .to_string();
    }
    let said: Vec<_> = all
        .map(|((judge, score), (guide, own))| {
            if judge.is_held_out() {
                format!("{guide} {score:.4} (the guide itself says {own:.4})")
            } else {
                format!("{guide} {score:.4}")
            }
        })
        .collect();
    format!("{place}. {path}  {}", said.join(", "))
}

fn copy(folder: &Path, place: usize, path: &Path, report: &mut Report) -> Result<()> {
    let lost = || {
        format!(
            "{} cannot be copied to {}",
            path.display(),
            folder.display()
        )
    };
    std::fs::create_dir_all(folder).with_context(lost)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let copy = file::free_name(&folder.join(format!("{place}-{name}")));
    file::write(&copy, &file::read(path)?)?;
    report.event(&saved(&copy, "best"));
    Ok(())
}
