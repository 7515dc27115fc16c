//! `bench`: how fast this device is on this model, against its own limits.

use anyhow::Result;
use clap::{Args, ValueEnum};

use pollster::block_on;
use serde_json::json;

use super::{exit::Exit, flags::Talk, flags::Where, model, report::print, stop};
use crate::{
    error::Error,
    session::{
        Blueprint, Size,
        bench::{Case, Ceilings, PASSES, Shapes, ceilings, measure, operations, table},
    },
    tensor::Device,
};

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

impl From<ConfigFlag> for Shapes {
    fn from(flag: ConfigFlag) -> Self {
        match flag {
            ConfigFlag::Mini => Self::Mini,
            ConfigFlag::Sd15 => Self::Sd15,
        }
    }
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
    let device = block_on(Device::open(
        flags.place.device,
        flags.place.precision.into(),
    ))?;
    let wanted = |name: &str| {
        flags
            .op
            .as_ref()
            .is_none_or(|text| name.contains(text.as_str()))
    };

    let info = device.info();
    if !talk.json {
        print(&format!("{} ({}, {:?})", info.name, info.api, info.dtype));
    }
    let [products, copies] = block_on(ceilings(&device))?;
    let limits = Ceilings {
        flops: block_on(measure(&products, &device, flags.secs))?.flops_per_sec(),
        bytes: block_on(measure(&copies, &device, flags.secs))?.bytes_per_sec(),
    };
    print(&if talk.json {
        let line = json!({
            "device": info.name, "api": info.api, "dtype": format!("{:?}", info.dtype),
            "matmul_gflops": limits.flops / 1e9, "copy_gbytes": limits.bytes / 1e9,
        });
        line.to_string()
    } else {
        table::head(&limits)
    });
    for case in block_on(operations(&device, flags.config.into()))? {
        if wanted(&case.name) {
            show(&case, &device, &limits, flags.secs, talk)?;
        }
    }
    for pass in PASSES {
        if wanted(pass.name()) {
            let case = block_on(pass.build(&device, &blueprint, &job))?;
            show(&case, &device, &limits, flags.secs, talk)?;
        }
    }
    Ok(Exit::Done)
}

fn show(case: &Case, device: &Device, limits: &Ceilings, secs: f64, talk: Talk) -> Result<()> {
    if stop::asked() {
        return Err(Error::Interrupted.into());
    }
    let figures = block_on(measure(case, device, secs))?;
    print(&if talk.json {
        let line = json!({
            "name": case.name, "ms": figures.secs * 1e3,
            "gflops": figures.flops_per_sec() / 1e9, "gbytes": figures.bytes_per_sec() / 1e9,
            "share": figures.share(limits),
        });
        line.to_string()
    } else {
        table::row(&case.name, &figures, limits)
    });
    Ok(())
}
