//! `bench`: how fast this device is on this model, against its own limits.

mod cases;
mod measure;
mod table;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{exit::Exit, flags::Talk, flags::Where, model, report, stop};
use crate::{
    error::Error,
    session::{Blueprint, Size},
    tensor::Device,
};
use cases::{Case, ceilings, operations, passes};
use measure::{Ceilings, Figures, measure};

/// `guidestar bench`
#[derive(Debug, Args)]
pub struct Bench {
    /// Whose shapes to measure.
    #[arg(long, value_enum, default_value_t = ConfigFlag::Mini)]
    pub config: ConfigFlag,
    /// Draw the weights, which sd15 needs: its own do not come along. Speed does not depend on them.
    #[arg(long)]
    pub random: bool,
    /// Width and height of the picture [default: the model's].
    #[arg(long, value_name = "WxH")]
    pub size: Option<Size>,
    /// Measure only what has this in its name, such as conv or attention.
    #[arg(long, value_name = "TEXT")]
    pub op: Option<String>,
    /// Seconds to spend on each, at least.
    #[arg(long, default_value_t = 0.5, value_name = "SECS")]
    pub secs: f64,
    /// Where to compute.
    #[command(flatten)]
    pub place: Where,
}

/// Whose shapes to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConfigFlag {
    /// The model that comes along.
    Mini,
    /// Stable Diffusion 1.5.
    Sd15,
}

/// Measures.
///
/// # Errors
/// When there is no device, or it has no room for the model.
pub fn bench(flags: &Bench, talk: Talk) -> Result<Exit> {
    let blueprint = match flags.config {
        ConfigFlag::Mini => Blueprint::read(&model::open(model::MINI)?)?,
        ConfigFlag::Sd15 if flags.random => Blueprint::sd15(),
        ConfigFlag::Sd15 => {
            let text = "no weights of sd15 come along: add --random to measure with drawn ones";
            return Err(Error::Request(text.to_owned()).into());
        }
    };
    if !(flags.secs > 0.0 && flags.secs <= 3600.0) {
        return Err(Error::Request("--secs takes a number above 0, up to 3600".to_owned()).into());
    }
    let job = crate::session::Job {
        size: flags.size,
        ..crate::session::Job::default()
    };
    let job = job.check(&blueprint.traits)?;
    let opening = Device::open(flags.place.device, flags.place.precision.into());
    let device = pollster::block_on(opening)?;
    let wanted = |name: &str| {
        flags
            .op
            .as_ref()
            .is_none_or(|text| name.contains(text.as_str()))
    };

    let info = device.info();
    if !talk.json {
        report::print(&format!("{} ({}, {:?})", info.name, info.api, info.dtype));
    }
    let [products, copies] = ceilings(&device)?;
    let limits = Ceilings {
        flops: measure(&products, &device, flags.secs)?.flops_per_sec(),
        bytes: measure(&copies, &device, flags.secs)?.bytes_per_sec(),
    };
    table::ceilings(&limits, &device, talk.json);
    for case in operations(&device, flags.config)? {
        if wanted(&case.name) {
            show(&case, &device, &limits, flags.secs, talk)?;
        }
    }
    for prepare in passes() {
        if wanted(prepare.name) {
            let case = (prepare.build)(&device, &blueprint, &job)?;
            show(&case, &device, &limits, flags.secs, talk)?;
        }
    }
    Ok(Exit::Done)
}

fn show(case: &Case, device: &Device, limits: &Ceilings, secs: f64, talk: Talk) -> Result<()> {
    if stop::asked() {
        return Err(Error::Interrupted.into());
    }
    let figures: Figures = measure(case, device, secs)?;
    table::row(&case.name, &figures, limits, talk.json);
    Ok(())
}
