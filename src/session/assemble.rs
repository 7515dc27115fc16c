//! From a checked job to what does it: the one place where techniques are nested.

use std::rc::Rc;

use super::{CheckedJob, Edit, Method, SamplerName};
use crate::{
    diffusion::{
        Level, Pndm, Trajectory, Window,
        schedule::{Following, Schedule, ScheduleConfig},
    },
    error::{Error, Result},
    guidance::{
        Blended, Cfg, Denoiser, FreeU, MasaCtrl, Perturbed, PlugAndPlay, Projected, PromptToPrompt,
        Sag,
        edit::{Kept, SourceBranch, masactrl_sites},
    },
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
    /// What an edit takes from its source.
    pub lent: Option<Lent>,
}

impl Parts {
    /// Every text there is.
    pub fn texts(&self) -> Vec<Tensor> {
        let lent = self.lent.iter();
        let lent = lent.flat_map(|lent| [lent.texts.clone(), lent.negative.clone()]);
        [self.contexts.clone()].into_iter().chain(lent).collect()
    }
}

/// What an edit takes from its source.
#[derive(Clone)]
pub struct Lent {
    /// The source's latents.
    pub trajectory: Rc<Trajectory>,
    /// What its forward is told, `[1, N, C]` or `[2, N, C]`.
    pub texts: Tensor,
    /// The negative prompt of a blend, `[1, N, C]`.
    pub negative: Tensor,
    /// The source's token for each of the prompt's.
    pub alignment: Vec<Option<usize>>,
    /// Where the source's features outlive the edit.
    pub kept: Option<Kept>,
}

impl Lent {
    /// Something of the right shapes for so many texts of the source, to plan with.
    pub fn blank(contexts: &Tensor, texts: usize, [h, w]: [usize; 2]) -> Self {
        let [_, tokens, _] = contexts.dims();
        let level = Level {
            alphas_cumprod: 0.5,
            t: 0,
        };
        let trajectory = Trajectory::new([h, w], level, vec![0.0; 4 * h * w]);
        Self {
            trajectory: Rc::new(trajectory),
            texts: contexts.rows(0..texts),
            negative: contexts.rows(0..1),
            alignment: vec![None; tokens],
            kept: None,
        }
    }
}

/// The steps from noise to latents, as the job and the model's files say.
///
/// # Errors
/// When there are more steps than the schedule has.
pub fn walk(job: &CheckedJob, config: &ScheduleConfig) -> Result<Vec<(Level, Level)>> {
    let following = job.quirks.following.unwrap_or_default();
    let mut steps = grid_walk(job, config, job.steps, following)?;
    if let Some(edit) = &job.job().edit {
        // The last ones: an img2img begins where its source is not yet all noise.
        let taken = Window::leading(edit.strength()).span(steps.len()).len();
        steps.drain(..steps.len() - taken);
    }
    Ok(match job.job().sampler {
        SamplerName::Ddim => steps,
        SamplerName::Pndm => Pndm::steps(&steps),
    })
}

/// The steps in which the latents of an edit's source are found: each goes where the next one begins, whatever the sampler.
///
/// # Errors
/// When there are more steps than the schedule has.
pub fn ddim_walk(
    job: &CheckedJob,
    config: &ScheduleConfig,
    steps: usize,
) -> Result<Vec<(Level, Level)>> {
    grid_walk(job, config, steps, Following::Grid)
}

fn grid_walk(
    job: &CheckedJob,
    config: &ScheduleConfig,
    steps: usize,
    following: Following,
) -> Result<Vec<(Level, Level)>> {
    let quirks = &job.quirks;
    let mut schedule = Schedule::new(config, quirks.evaluation.unwrap_or_default());
    if let Some(ending) = quirks.ending {
        schedule = schedule.ending(ending);
    }
    let spacing = quirks.spacing.unwrap_or(config.timestep_spacing);
    let grid = schedule.grid(steps, spacing)?;
    Ok(schedule.steps(&grid, following))
}

/// Nests the techniques that a job asks for, from the U-Net out.
///
/// Each picture gets a nest of its own, so that what a technique remembers of one never reaches the next.
///
/// # Errors
/// When a technique lacks something it needs.
pub fn denoiser(job: &CheckedJob, parts: &Parts) -> Result<Box<dyn Denoiser>> {
    let [_, tokens, features] = parts.contexts.dims();
    let [uncond, cond] = [0, 1].map(|row| {
        let context = parts.contexts.rows(row..row + 1);
        context.reshape([1, tokens, features])
    });
    let asked = job.job();
    let config = parts.unet.config();
    let widths = &config.block_out_channels;

    let plain = |uncond: Tensor| {
        let unet = parts.unet.clone();
        Cfg::new(unet, job.prediction, cond.clone(), uncond, job.cfg_scale)
    };
    let lent =
        match (&asked.edit, &parts.lent) {
            (Some(edit), Some(lent)) => Some((edit, lent)),
            (Some(_), None) => return Err(Error::Request(
                "an edit begins with the latents of its source, and they have not been found yet"
                    .to_owned(),
            )),
            (None, _) => None,
        };

    let mut cfg = plain(uncond);
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
    if let Some((edit, lent)) = &lent
        && let Some(blend) = edit.blend()
    {
        let negative = plain(lent.negative.clone());
        nest = Box::new(Blended::new(
            nest,
            negative,
            &parts.walk,
            blend,
            job.cfg_scale,
        ));
    }
    if let Some(freeu) = &asked.freeu {
        nest = Box::new(FreeU::new(nest, freeu.clone(), widths));
    }
    if let Some(sag) = &asked.sag {
        let levels = sag.window.levels(&parts.walk);
        let blocks = widths.len();
        nest = Box::new(Sag::new(nest, sag.clone(), job.prediction, levels, blocks));
    }
    Ok(match lent {
        Some((edit, lent)) => edited(nest, edit, lent, parts, job.has_uncond()),
        None => nest,
    })
}

/// Wraps a nest in an edit.
fn edited(
    nest: Box<dyn Denoiser>,
    edit: &Edit,
    lent: &Lent,
    parts: &Parts,
    guided: bool,
) -> Box<dyn Denoiser> {
    let source = SourceBranch::new(
        parts.unet.clone(),
        lent.trajectory.clone(),
        lent.texts.clone(),
        lent.kept.clone(),
    );
    let levels = |window: Option<Window>| {
        let window = window.unwrap_or(Window::leading(0.0));
        window.levels(&parts.walk)
    };
    let attention_at = levels(edit.attention_window);
    let config = parts.unet.config();
    match edit.method {
        Method::Pnp => {
            let levels = [levels(edit.feature_window), attention_at];
            let sites = edit.sites();
            Box::new(PlugAndPlay::new(nest, source, sites, levels, guided))
        }
        Method::Masactrl => {
            let sites = edit.attention_layers.clone();
            let sites = sites.unwrap_or_else(|| masactrl_sites(config));
            Box::new(MasaCtrl::new(nest, source, sites, attention_at, guided))
        }
        Method::Img2img => nest,
        Method::PromptToPrompt => {
            let levels = [levels(edit.cross_window), attention_at];
            let alignment = lent.alignment.clone();
            let edit = PromptToPrompt::new(nest, source, config, levels, alignment, guided);
            Box::new(edit)
        }
    }
}
