//! The settings of the techniques that a job may ask for, checked together.

use super::{CheckedJob, Edit, Job, Traits};
use crate::{
    error::{Error, Result},
    models::unet::{Part, Site},
};

/// Refuses what no model can do, or this one cannot.
///
/// # Errors
/// [`Error::Request`] in one sentence that says what would be right.
pub fn check(job: &Job, latents: [usize; 2], model: &Traits) -> Result<()> {
    if !(0.0..=1.0).contains(&job.cfg_rescale) {
        let text = format!(
            "the share of CFG-rescale is {}, and must be between 0 and 1: 0.7 is usual",
            job.cfg_rescale
        );
        return Err(Error::Request(text));
    }
    if let Some(apg) = &job.apg {
        apg.check()?;
    }
    if let Some(sag) = &job.sag {
        sag.check(latents)?;
        check_layers("SAG", std::slice::from_ref(&sag.layer), model)?;
    }
    if let Some(pag) = &job.pag {
        pag.check()?;
        check_layers("PAG", &pag.layers, model)?;
    }
    if let Some(seg) = &job.seg {
        seg.check()?;
        check_layers("SEG", &seg.layers, model)?;
    }
    if let Some(freeu) = &job.freeu {
        freeu.check()?;
    }
    Ok(())
}

/// Refuses layers that this model does not have, or that are no self-attention.
fn check_layers(what: &str, layers: &[Site], model: &Traits) -> Result<()> {
    let fits = |site: &&Site| site.part == Part::SelfAttention && site.is_in(&model.unet);
    let Some(site) = layers.iter().find(|site| !fits(site)) else {
        return Ok(());
    };
    let there = Site::self_attentions(&model.unet)
        .iter()
        .map(|site| site.short())
        .collect::<Vec<_>>();
    Err(Error::Request(format!(
        "{what} needs a self-attention, and this model has none at {site}: choose among {}",
        there.join(", ")
    )))
}

/// What the techniques of a job add to the line of settings that picture sites read.
pub fn named(checked: &CheckedJob) -> Vec<(&'static str, String)> {
    let job = checked.job();
    let mut said = job.edit.as_ref().map(Edit::named).unwrap_or_default();
    if let Some(sag) = &job.sag {
        // The names that the extension for AUTOMATIC1111's page writes.
        said.push(("SAG Guidance Enabled", "True".to_owned()));
        said.push(("SAG Guidance Scale", sag.scale.to_string()));
        said.push(("SAG Mask Threshold", sag.threshold.to_string()));
        said.push(("SAG Blur Sigma", sag.sigma.to_string()));
    }
    if let Some(pag) = &job.pag {
        said.push(("PAG Active", "True".to_owned()));
        said.push(("PAG Scale", pag.scale.to_string()));
    }
    if let Some(seg) = &job.seg {
        said.push(("SEG Active", "True".to_owned()));
        said.push(("SEG Blur Sigma", seg.sigma.to_string()));
        said.push(("SEG Scale", seg.scale.to_string()));
    }
    if let Some(freeu) = &job.freeu {
        for (name, value) in [
            ("FreeU B1", freeu.b1),
            ("FreeU B2", freeu.b2),
            ("FreeU S1", freeu.s1),
            ("FreeU S2", freeu.s2),
        ] {
            said.push((name, value.to_string()));
        }
        said.push(("FreeU Version", freeu.version.to_string()));
    }
    if job.cfg_rescale != 0.0 {
        said.push(("CFG Rescale", job.cfg_rescale.to_string()));
    }
    if let Some(apg) = &job.apg {
        said.push(("APG Eta", apg.eta.to_string()));
        said.push(("APG Norm Threshold", apg.norm.to_string()));
        said.push(("APG Momentum", apg.momentum.to_string()));
    }
    said
}
