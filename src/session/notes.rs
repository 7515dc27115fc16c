//! What a picture says of its making to people and picture sites.

use super::{CheckedJob, job::SamplerName, techniques};

/// The settings in the form that AUTOMATIC1111's page writes and the sharing sites read.
pub fn parameters(checked: &CheckedJob, seed: u64) -> String {
    let job = checked.job();
    let mut text = one_line(&job.prompt);
    if !job.negative.is_empty() {
        text.push_str("\nNegative prompt: ");
        text.push_str(&one_line(&job.negative));
    }
    let sampler = match job.sampler {
        SamplerName::Ddim => "DDIM",
        SamplerName::Pndm => "PLMS",
    };
    let mut settings = vec![
        ("Steps", checked.steps.to_string()),
        ("Sampler", sampler.to_owned()),
        ("CFG scale", checked.cfg_scale.to_string()),
        ("Seed", seed.to_string()),
        ("Size", checked.size.to_string()),
        ("Model", quoted(&job.model)),
        ("Eta", checked.eta.to_string()),
    ];
    settings.extend(techniques::named(checked));
    let version = concat!("guidestar ", env!("CARGO_PKG_VERSION"));
    settings.push(("Version", version.to_owned()));
    let said = settings
        .iter()
        .filter(|(name, value)| *name != "Eta" || value != "0")
        .map(|(name, value)| format!("{name}: {value}"));
    text.push('\n');
    text.push_str(&said.collect::<Vec<_>>().join(", "));
    text
}

/// The readers split at line ends, so a prompt must not have any.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The readers split settings at commas and colons, and honour quotes.
pub(super) fn quoted(text: &str) -> String {
    if text.contains([',', ':', '"', '\n']) {
        format!("{text:?}")
    } else {
        text.to_owned()
    }
}
