//! `guide`: pictures that guides pull towards something.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use anyhow::Result;
use clap::Args;

use super::{
    exit::Exit,
    flags::{Generate, Talk},
    generate::{self, Followed},
};
use crate::{
    error::Error,
    guidance::universal::{Descent, Preset, Window},
    picture::file,
    session::{GuideJob, Guiding, Job, Made, Target},
};

/// Shown behind the help.
pub const EXAMPLES: &str = "\
Examples:
  guidestar guide \"a red apple\" --colour \"#3060c0\"
  guidestar guide \"a fox\" --inpaint photo.png --mask known.png
  guidestar guide \"a cat\" --edges drawing.png --trials 8 --keep 2
  guidestar guide \"a lion\" --enlarge small.png --factor 4 --preset reference --recurrences 2

A guide looks at the picture that each step promises and says how far it is from what is wanted;
the gradient of that steers. The preset fast improves the promised picture alone, reference goes
back through the whole network. Guides can be given together.";

/// `guidestar guide`
#[derive(Debug, Args)]
pub struct Guide {
    /// The picture itself.
    #[command(flatten)]
    pub generate: Generate,
    /// Keep the parts of this picture that are white in --mask, and invent the rest.
    #[arg(long, value_name = "IMAGE", requires = "mask")]
    pub inpaint: Option<PathBuf>,
    /// White where the picture to inpaint is known, of the size that is made.
    #[arg(long, value_name = "IMAGE", requires = "inpaint")]
    pub mask: Option<PathBuf>,
    /// Look like this picture when both are blurred.
    #[arg(long, value_name = "IMAGE")]
    pub blur: Option<PathBuf>,
    /// Standard deviation of that blur in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 3.0)]
    pub sigma: f64,
    /// Look like this picture when both are shrunk.
    #[arg(long, value_name = "IMAGE")]
    pub enlarge: Option<PathBuf>,
    /// How many times smaller both are looked at.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub factor: usize,
    /// Have the edges of this picture.
    #[arg(long, value_name = "IMAGE")]
    pub edges: Option<PathBuf>,
    /// Have this mean colour, as #rrggbb.
    #[arg(long, value_name = "COLOUR", alias = "color", value_parser = colour)]
    pub colour: Option<Rgb>,
    /// fast or reference; face, segmentation, painting, detection or style (the published recipes); freedom, mpgd, dps, lgd
    /// or tfg.
    #[arg(long, value_name = "NAME", default_value = "fast")]
    pub preset: Preset,
    /// How strongly to follow the guides [default: the preset's].
    #[arg(long = "guide-scale", value_name = "X", allow_negative_numbers = true)]
    pub scale: Option<f64>,
    /// How often each step is taken [default: the preset's].
    #[arg(long, value_name = "N")]
    pub recurrences: Option<usize>,
    /// The share of the steps that are guided, from the noisy end, as 0.1..0.8 [default: the preset's].
    #[arg(long = "guide-window", value_name = "FROM..TO", value_parser = window)]
    pub window: Option<Window>,
    /// How many pictures to try; each has a seed of its own.
    #[arg(long, value_name = "N", conflicts_with = "count")]
    pub trials: Option<usize>,
    /// Name the best of them, as the guides see it.
    #[arg(long, value_name = "K", requires = "trials")]
    pub keep: Option<usize>,
    /// Write each step's losses to this CSV file.
    #[arg(long, value_name = "FILE")]
    pub losses: Option<PathBuf>,
}

/// Red, green and blue.
#[derive(Clone, Copy, Debug)]
pub struct Rgb(pub [u8; 3]);

fn colour(text: &str) -> Result<Rgb, String> {
    let wrong = || format!("{text:?} is no colour: write it as #rrggbb");
    let digits = text.strip_prefix('#').unwrap_or(text);
    if digits.len() != 6 || !digits.is_ascii() {
        return Err(wrong());
    }
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong());
    Ok(Rgb([byte(0)?, byte(2)?, byte(4)?]))
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

/// Makes pictures that guides pull towards something.
///
/// # Errors
/// When the request is wrong or the job fails.
pub fn guide(flags: &Guide, talk: Talk) -> Result<Exit> {
    let job = flags.job()?;
    let Followed { exit, made } =
        generate::made(&job, flags.generate.place, &flags.generate.output, talk)?;
    if let Some(path) = &flags.losses {
        file::write(path, curve(&made).as_bytes())?;
    }
    if !talk.quiet && !talk.json {
        tell(&made, flags.keep);
    }
    Ok(exit)
}

impl Guide {
    fn targets(&self) -> Vec<Target> {
        let name = |path: &PathBuf| path.display().to_string();
        let inpaint = self.inpaint.iter().zip(&self.mask);
        let inpaint = inpaint.map(|(picture, mask)| Target::Inpaint {
            picture: name(picture),
            mask: name(mask),
        });
        let blur = self.blur.iter().map(|picture| Target::Blur {
            picture: name(picture),
            sigma: self.sigma,
        });
        let enlarge = self.enlarge.iter().map(|picture| Target::Enlarge {
            picture: name(picture),
            factor: self.factor,
        });
        let edges = self.edges.iter().map(|picture| Target::Edges {
            picture: name(picture),
        });
        let colour = self
            .colour
            .iter()
            .map(|colour| Target::Colour { rgb: colour.0 });
        inpaint
            .chain(blur)
            .chain(enlarge)
            .chain(edges)
            .chain(colour)
            .collect()
    }

    fn job(&self) -> Result<Job> {
        let asked = self.generate.job()?;
        let recipe = self.preset.recipe();
        let mut settings = recipe.settings;
        if let Some(scale) = self.scale {
            if let Some(forward) = &mut settings.forward {
                forward.strength = scale;
            }
            // A preset that does both keeps their ratio only where it is asked for nothing.
            match settings
                .backward
                .as_mut()
                .map(|backward| &mut backward.descent)
            {
                Some(Descent::Plain { strength, .. }) => *strength = scale,
                Some(Descent::Adam { rate, .. }) => *rate = scale,
                None => {}
            }
        }
        if let Some(recurrences) = self.recurrences {
            settings.recurrences = vec![recurrences];
            settings.recurrence_window = Window::ALL;
        }
        settings.window = self.window.unwrap_or(settings.window);
        if self
            .keep
            .is_some_and(|keep| keep == 0 || Some(keep) > self.trials)
        {
            let text = "--keep names some of the --trials: at least 1, and not more than there are";
            return Err(Error::Request(text.to_owned()).into());
        }
        let guides = self.targets().into_iter().map(|target| Guiding {
            target,
            weight: 1.0,
            window: Window::ALL,
        });
        let guide = GuideJob {
            preset: self.preset,
            settings,
            guides: guides.collect(),
        };
        Ok(Job {
            steps: asked.steps.or(Some(recipe.steps)),
            cfg_scale: asked.cfg_scale.or(recipe.cfg_scale),
            eta: if asked.eta == 0.0 {
                recipe.eta
            } else {
                asked.eta
            },
            count: self.trials.unwrap_or(asked.count),
            guide: Some(guide),
            ..asked
        })
    }
}

/// Each step's losses: a row for each turn of each guide.
fn curve(made: &[Made]) -> String {
    let mut text = "seed,step,guide,loss\n".to_owned();
    for made in made {
        for (step, turn) in &made.turns {
            for (guide, losses) in &turn.each {
                let loss = losses[0];
                writeln!(text, "{},{},{guide},{loss}", made.seed, step + 1)
                    .expect("writing to a string cannot fail");
            }
        }
    }
    text
}

/// Says how good the guides find what was made, the best first.
fn tell(made: &[Made], keep: Option<usize>) {
    let mut ranked: Vec<&Made> = made.iter().collect();
    let sum = |made: &Made| made.scores.iter().map(|(_, score)| score).sum::<f32>();
    ranked.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
    for made in ranked.iter().take(keep.unwrap_or(ranked.len())) {
        let first: BTreeMap<_, _> = made
            .turns
            .iter()
            .rev()
            .flat_map(|(_, turn)| turn.each.iter().map(|(guide, loss)| (guide, loss[0])))
            .collect();
        let scores = made.scores.iter().map(|(guide, score)| {
            let before = first.get(guide).copied().unwrap_or(-score);
            format!(
                "{guide} loss {before:.4} at first, {:.4} in the end",
                -score
            )
        });
        let scores: Vec<_> = scores.collect();
        let lost = made.turns.iter().filter(|(_, turn)| turn.lost > 0).count();
        let unguided = match lost {
            0 => String::new(),
            lost => format!("; {lost} turns went on unguided, their losses were no numbers"),
        };
        eprintln!("seed {}: {}{unguided}", made.seed, scores.join(", "));
    }
}
