//! The flags, as plain data; what they mean together is decided by [`crate::session::Job::check`].

use std::{ops::RangeInclusive, path::PathBuf, str::FromStr};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{
    batch::Batch,
    bench::Bench,
    edit_flags::{Invert, Pnp},
    guide::{Guide, Rank},
    measure::Measure,
    models::Models,
    sag::Sag,
    sampling::{Chosen, Sampling},
    serve::Serve,
    steering::Steering,
};
use crate::{
    session::Job,
    tensor::{DeviceName, Precision},
};

/// Steers Stable Diffusion without training anything.
#[derive(Debug, Parser)]
#[command(name = "guidestar", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How much to say.
    #[command(flatten)]
    pub talk: Talk,
}

const EXAMPLES: &str = "\
Examples:
  guidestar generate \"a red apple on a blue background\"
  guidestar generate \"a fox\" --seed 1..9 --out foxes/
  guidestar generate \"a castle\" --model sd15.safetensors --size 512x768 --negative blurry
  guidestar replay a-fox-1.png
  guidestar models check sd15.safetensors

Exit codes: 0 done, 1 the job failed, 2 the request was wrong, 3 no usable device, 130 interrupted.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make pictures from a prompt.
    #[command(after_help = GENERATE_EXAMPLES)]
    Generate(Generate),
    /// Make the same picture with and without self-attention guidance, side by side.
    #[command(after_help = SAG_EXAMPLES)]
    Sag(Sag),
    /// Restyle a picture: same layout, another prompt.
    #[command(after_help = PNP_EXAMPLES)]
    Pnp(Box<Pnp>),
    /// Make pictures that guides pull towards a colour, edges, or another picture.
    #[command(after_help = super::guide::EXAMPLES)]
    Guide(Box<Guide>),
    /// Rank pictures by guides, the best first.
    #[command(after_help = super::guide::RANK_EXAMPLES)]
    Rank(Box<Rank>),
    /// Find the latents of a picture at every noise level, and store them.
    #[command(after_help = INVERT_EXAMPLES)]
    Invert(Invert),
    /// Do the jobs of a file, one in each line; started again, it goes on where it was.
    #[command(after_help = BATCH_EXAMPLES)]
    Batch(Batch),
    /// Measure pictures: sharpness, how well they show a text, how far they are from others.
    #[command(after_help = MEASURE_EXAMPLES)]
    Measure(Box<Measure>),
    /// Repeat the job that a picture remembers.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Replay),
    /// List, check and convert models.
    #[command(subcommand)]
    Models(Models),
    /// Measure how fast this device is, against its own limits.
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(Bench),
    /// Serve the page to this machine's browser.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
}

const SERVE_EXAMPLES: &str = "\
Examples:
  guidestar serve --open
  guidestar serve --port 8080
  guidestar serve --dir dist";

const BENCH_EXAMPLES: &str = "\
Examples:
  guidestar bench
  guidestar bench --config sd15 --random --device gpu
  guidestar bench --config sd15 --random --op conv --json";

const GENERATE_EXAMPLES: &str = "\
Examples:
  guidestar generate \"a red apple on a blue background\"
  guidestar generate \"a lion on yellow\" --seed 7 --out lion.png
  guidestar generate \"a fox\" --count 4                 four pictures and a contact sheet
  guidestar generate \"a fox\" --seed 1..9 --out foxes/  nine pictures into a folder
  guidestar generate \"a castle\" --model path/to/sd15 --steps 30 --cfg-scale 7 --sampler pndm
  guidestar generate \"a castle\" --model sd15.safetensors --parity diffusers --seed 0
  guidestar generate \"a star\" --json | jq .            one event a line";

const BATCH_EXAMPLES: &str = "\
Examples:
  guidestar batch jobs.jsonl --out sweep
  guidestar batch jobs.jsonl --out sweep --shard 3/16    the fourth of sixteen parts
  guidestar batch jobs.jsonl --out sweep --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT";

const MEASURE_EXAMPLES: &str = "\
Examples:
  guidestar measure foxes/
  guidestar measure horse-a-bronze-horse.png --against horse.jpg
  guidestar measure edited/ --against originals/ --mask thing.png --outside --json
  guidestar measure edited/ --against originals/ --features dino_vitb8.onnx --output keys.11";

const SAG_EXAMPLES: &str = "\
Examples:
  guidestar sag \"a red apple on a blue background\" --seed 3
  guidestar sag \"a lion on yellow\" --sag-scale 1 --cfg-scale 1 --out lion.png
  guidestar sag \"a fox\" --compare 0.25,0.5,0.75,1 --masks --out foxes/";

const PNP_EXAMPLES: &str = "\
Examples:
  guidestar pnp horse.jpg \"a photo of a pink toy horse\" \"a bronze horse\" --out toys/
  guidestar pnp horse.jpg \"a robot horse\" --feature-window 0.6 --attention-window 0.3
  guidestar pnp --generate \"a red apple on a blue background\" --seed 3 \"a green apple on a blue background\"
  guidestar pnp cat.png \"a dog\" --source-prompt \"a cat\" --method prompt-to-prompt";

const INVERT_EXAMPLES: &str = "\
Examples:
  guidestar invert horse.jpg
  guidestar invert horse.jpg --inversion-steps 999 --trajectory horse.safetensors";

const REPLAY_EXAMPLES: &str = "\
Examples:
  guidestar replay a-fox-7.png
  guidestar replay a-fox-7.png --device gpu --out again.png";

/// Flags that every command has stand behind its own.
const LAST: usize = 900;

/// How much to say, and how.
#[derive(Clone, Copy, Debug, Args)]
pub struct Talk {
    /// Print one event a line on stdout, as JSON.
    #[arg(long, global = true, display_order = LAST)]
    pub json: bool,
    /// Show no progress.
    #[arg(long, short, global = true, display_order = LAST)]
    pub quiet: bool,
}

/// Where to compute.
#[derive(Clone, Copy, Debug, Args)]
pub struct Where {
    /// auto, gpu, cpu, cuda or vulkan; auto is a GPU when there is one.
    #[arg(long, default_value = "auto", value_name = "NAME")]
    pub device: DeviceName,
    /// How numbers are stored.
    #[arg(long, value_enum, default_value_t = PrecisionFlag::Auto)]
    pub precision: PrecisionFlag,
}

/// Where results go.
#[derive(Clone, Debug, Args)]
pub struct Output {
    /// A PNG file, or a folder; a picture is named after its prompt and seed otherwise.
    #[arg(long, short, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Write the final latents to this safetensors file; of an inversion, the noisiest.
    #[arg(long, value_name = "FILE")]
    pub save_latents: Option<PathBuf>,
    /// Write over files that exist instead of choosing another name.
    #[arg(long, short)]
    pub yes: bool,
}

/// `guidestar generate`
#[derive(Debug, Args)]
pub struct Generate {
    /// What is to be seen.
    pub prompt: String,
    /// How it is sampled.
    #[command(flatten)]
    pub sampling: Sampling,
    /// A seed, or a range of seeds 1..9 with both ends, a picture each [default: drawn].
    #[arg(long, value_name = "SEED")]
    pub seed: Option<Seeds>,
    /// How many pictures; the seed counts up.
    #[arg(long, value_name = "N")]
    pub count: Option<usize>,
    /// By which model.
    #[command(flatten)]
    pub chosen: Chosen,
    /// Begin with the latents of this safetensors file instead of noise.
    #[arg(long, value_name = "FILE")]
    pub latents: Option<PathBuf>,
    /// Where to compute.
    #[command(flatten)]
    pub place: Where,
    /// Where results go.
    #[command(flatten)]
    pub output: Output,
    /// What steers the sampling. Last: its heading would go on over what follows.
    #[command(flatten)]
    pub steering: Steering,
}

/// `guidestar replay`
#[derive(Debug, Args)]
pub struct Replay {
    /// A picture that guidestar made.
    #[arg(value_name = "IMAGE.png")]
    pub picture: PathBuf,
    /// Another model than the job's, or where it is now.
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<String>,
    /// Where the picture is now that the job's edit begins with.
    #[arg(long, value_name = "PICTURE")]
    pub source: Option<PathBuf>,
    /// Where to compute.
    #[command(flatten)]
    pub place: Where,
    /// Where results go.
    #[command(flatten)]
    pub output: Output,
}

/// One seed, or a range with both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub RangeInclusive<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seed = |digits: &str| {
            digits.parse::<u64>().map_err(|_| {
                format!(
                    "a seed is a whole number from 0 to {}, or a range like 1..9",
                    u64::MAX
                )
            })
        };
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (seed(first)?, seed(last.trim_start_matches('='))?),
            None => (seed(text)?, seed(text)?),
        };
        if first > last {
            return Err(format!("the range ends before it begins: {last}..{first}?"));
        }
        Ok(Self(first..=last))
    }
}

/// Spellings of [`Precision`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PrecisionFlag {
    /// As suits the device.
    Auto,
    /// Two bytes a number.
    F16,
    /// Four bytes a number.
    F32,
}

impl From<PrecisionFlag> for Precision {
    fn from(flag: PrecisionFlag) -> Self {
        match flag {
            PrecisionFlag::Auto => Self::Auto,
            PrecisionFlag::F16 => Self::F16,
            PrecisionFlag::F32 => Self::F32,
        }
    }
}

impl Generate {
    /// The job these flags spell.
    ///
    /// # Errors
    /// When flags contradict each other.
    pub fn job(&self) -> crate::Result<Job> {
        let (seed, seeds) = match &self.seed {
            Some(Seeds(seeds)) => (*seeds.start(), seeds.end() - seeds.start()),
            None => (drawn_seed(), 0),
        };
        let count = match (self.count, seeds) {
            (Some(count), 0) => count,
            (None, seeds) => usize::try_from(seeds)
                .unwrap_or(usize::MAX)
                .saturating_add(1),
            (Some(_), _) => {
                let text = "--count and a range of seeds both say how many pictures: leave one out";
                return Err(crate::Error::Request(text.to_owned()));
            }
        };
        let mut job = Job {
            prompt: self.prompt.clone(),
            seed,
            count,
            latents: self.latents.as_ref().map(|path| path.display().to_string()),
            ..Job::default()
        };
        self.chosen.apply(&mut job);
        self.sampling.apply(&mut job);
        self.steering.apply(&mut job)?;
        Ok(job)
    }
}

/// A seed nobody chose; short, so that it can be read out and typed.
fn drawn_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn seeds_are_one_or_a_range_with_both_ends() {
        assert_eq!("7".parse(), Ok(Seeds(7..=7)));
        assert_eq!("1..9".parse(), Ok(Seeds(1..=9)));
        assert_eq!("1..=9".parse(), Ok(Seeds(1..=9)));
        for wrong in ["", "-1", "18446744073709551616", "9..1", "1..", "a", "1.5"] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
    }
}
