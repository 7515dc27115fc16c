//! The flags of guides, as plain data, and the job they spell.

use clap::Args;

use super::targets::Targets;
use crate::{
    cli::flags::Generate,
    error::{Error, Result},
    guidance::universal::{Descent, Preset, Settings, Window},
    session::{GuideJob, Guiding, Job, Target},
};

/// `guidestar guide`
#[derive(Debug, Args)]
pub struct Guide {
    /// What to make, and how.
    #[command(flatten)]
    pub generate: Generate,
    /// What to pull towards.
    #[command(flatten)]
    pub targets: Targets,
    /// How much each counts.
    #[command(flatten)]
    pub weights: Weights,
    /// How to pull.
    #[command(flatten)]
    pub pull: Pull,
    /// What to write.
    #[command(flatten)]
    pub results: Results,
}

/// How guides pull.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "How guides pull")]
pub struct Pull {
    /// fast or reference; face, segmentation, painting, detection or style (the published recipes); freedom, mpgd, dps, lgd
    /// or tfg.
    #[arg(long, value_name = "NAME", default_value = "fast")]
    pub preset: Preset,
    /// How strongly to follow the guides [default: the preset's].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub guide_scale: Option<f64>,
    /// How often each step is taken [default: the preset's].
    #[arg(long, value_name = "N")]
    pub recurrences: Option<usize>,
    /// The share of the steps that are guided, from the noisy end, as 0.1..0.8 [default: the preset's].
    #[arg(long, value_name = "FROM..TO", value_parser = window)]
    pub guide_window: Option<Window>,
}

/// How much guides count.
#[derive(Clone, Debug, Args)]
pub struct Weights {
    /// How much a guide counts among others, as colour=0.5; repeat for more [default: 1].
    #[arg(long, value_name = "GUIDE=X", value_parser = weight)]
    pub weight: Vec<(String, f64)>,
}

/// What is written beside pictures.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Results")]
pub struct Results {
    /// How many pictures to try, each with a seed of its own. Who ranks them did not guide them where that can be.
    #[arg(long, value_name = "N", conflicts_with = "count")]
    pub trials: Option<usize>,
    /// Copy the best of them to files that are named so.
    #[arg(long, value_name = "K", requires = "trials")]
    pub keep: Option<usize>,
    /// Only write the guided pictures: no comparison with the unguided one, steps or losses.
    #[arg(long)]
    pub bare: bool,
}

fn weight(text: &str) -> Result<(String, f64), String> {
    let wrong = || format!("{text:?} is no weight: write it as colour=0.5");
    let (guide, weight) = text.split_once('=').ok_or_else(wrong)?;
    Ok((guide.to_owned(), weight.parse().map_err(|_| wrong())?))
}

fn window(text: &str) -> Result<Window, String> {
    let wrong = || format!("{text:?} is no window: write it as 0.1..0.8");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let share = |text: &str| text.parse::<f64>().map_err(|_| wrong());
    Ok(Window {
        from: share(from)?,
        to: share(to)?,
    })
}

impl Pull {
    /// A preset's settings, and what was asked for otherwise.
    fn changed(&self, mut settings: Settings) -> Settings {
        if let Some(scale) = self.guide_scale {
            if let Some(forward) = &mut settings.forward {
                forward.strength = scale;
            }
            let backward = settings.backward.as_mut();
            match backward.map(|backward| &mut backward.descent) {
                Some(Descent::Plain { strength, .. }) => *strength = scale,
                Some(Descent::Adam { rate, .. }) => *rate = scale,
                None => {}
            }
        }
        if let Some(recurrences) = self.recurrences {
            settings.recurrences = vec![recurrences];
            settings.recurrence_window = Window::ALL;
        }
        settings.window = self.guide_window.unwrap_or(settings.window);
        settings
    }
}

/// These guides, each as much as the flags say.
///
/// # Errors
/// When a weight is for no guide that is there.
pub fn guiding(targets: Vec<Target>, weights: &Weights) -> Result<Vec<Guiding>> {
    let mut guides: Vec<Guiding> = targets.into_iter().map(Guiding::from).collect();
    for (name, weight) in &weights.weight {
        let named = guides.iter_mut().find(|guide| guide.target.name() == name);
        let Some(guiding) = named else {
            return Err(Error::Request(format!(
                "--weight {name}={weight} is for a guide that is not asked for"
            )));
        };
        guiding.weight = *weight;
    }
    Ok(guides)
}

impl Guide {
    /// The job these flags spell.
    ///
    /// # Errors
    /// When flags contradict each other, or a file cannot be read.
    pub fn job(&self) -> Result<Job> {
        let asked = self.generate.job()?;
        let trials = self.results.trials;
        if let Some(keep) = self.results.keep
            && (keep == 0 || Some(keep) > trials)
        {
            let text =
                "--keep is for some of the --trials: at least 1, and not more than there are";
            return Err(Error::Request(text.to_owned()));
        }
        let mut guide = GuideJob {
            preset: self.pull.preset,
            settings: None,
            strength: 1.0,
            guides: guiding(self.targets.spelled()?, &self.weights)?,
        };
        guide.settings = Some(self.pull.changed(guide.settings()));
        Ok(Job {
            count: trials.unwrap_or(asked.count),
            guide: Some(guide),
            ..asked
        })
    }
}
