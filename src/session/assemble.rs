//! From a checked job to what does it: the one place where techniques are nested.

use std::rc::Rc;

use super::{CheckedJob, SamplerName};
use crate::{
    diffusion::{
        Level, Pndm,
        schedule::{Schedule, ScheduleConfig},
    },
    error::Result,
    guidance::{Cfg, Denoiser, FreeU, Perturbed, Projected, Sag},
    models::Unet,
    tensor::Tensor,
};

/// What techniques are made of.
#[derive(Clone)]
pub struct Parts {
    /// The U-Net.
    pub unet: Rc<Unet>,
    /// `[2, N, C]`: negative prompt and prompt.
    pub contexts: Tensor,
    /// The steps that the sampler is asked for, from the noisiest.
    pub walk: Vec<(Level, Level)>,
}

/// The steps from noise to latents, as the job and the model's files say.
///
/// # Errors
/// When there are more steps than the schedule has.
pub fn walk(job: &CheckedJob, config: &ScheduleConfig) -> Result<Vec<(Level, Level)>> {
    let quirks = &job.quirks;
    let mut schedule = Schedule::new(config, quirks.evaluation.unwrap_or_default());
    if let Some(ending) = quirks.ending {
        schedule = schedule.ending(ending);
    }
    let spacing = quirks.spacing.unwrap_or(config.timestep_spacing);
    let grid = schedule.grid(job.steps, spacing)?;
    let steps = schedule.steps(&grid, quirks.following.unwrap_or_default());
    Ok(match job.job().sampler {
        SamplerName::Ddim => steps,
        SamplerName::Pndm => Pndm::steps(&steps),
    })
}

/// Nests the techniques that a job asks for, from the U-Net out.
///
/// Each picture gets a nest of its own, so that what a technique remembers of one never reaches the next.
///
/// # Errors
/// When a technique lacks something it needs.
#[expect(
    clippy::unnecessary_wraps,
    reason = "a technique may lack what it needs, which the next one may show"
)]
pub fn denoiser(job: &CheckedJob, parts: &Parts) -> Result<Box<dyn Denoiser>> {
    let [_, tokens, features] = parts.contexts.dims();
    let [uncond, cond] = [0, 1].map(|row| {
        let context = parts.contexts.rows(row..row + 1);
        context.reshape([1, tokens, features])
    });
    let asked = job.job();
    let config = parts.unet.config();
    let widths = &config.block_out_channels;

    let mut cfg = Cfg::new(
        parts.unet.clone(),
        job.prediction,
        cond,
        uncond,
        job.cfg_scale,
    );
    if asked.cfg_rescale != 0.0 {
        cfg = cfg.rescaled(asked.cfg_rescale);
    }
    if let Some(apg) = &asked.apg {
        cfg = cfg.projected(Projected::new(apg.clone()));
    }
    if let Some(pag) = &asked.pag {
        cfg = cfg.perturbed(Perturbed::identity(pag, pag.window.levels(&parts.walk)));
    }
    if let Some(seg) = &asked.seg {
        cfg = cfg.perturbed(Perturbed::blurred(seg, seg.window.levels(&parts.walk)));
    }
    let mut nest: Box<dyn Denoiser> = Box::new(cfg);
    if let Some(freeu) = &asked.freeu {
        nest = Box::new(FreeU::new(nest, freeu.clone(), widths));
    }
    if let Some(sag) = &asked.sag {
        let levels = sag.window.levels(&parts.walk);
        let blocks = widths.len();
        nest = Box::new(Sag::new(nest, sag.clone(), job.prediction, levels, blocks));
    }
    Ok(nest)
}
