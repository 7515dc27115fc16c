//! What a run tells while it works.

use std::error::Error;

use serde::{Deserialize, Serialize};

use super::Job;

/// What happens during a job, for a progress bar, a line of JSON or a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Weights are being read.
    Loading {
        /// Which part of the model.
        part: String,
        /// Bytes read so far.
        done_bytes: u64,
        /// Bytes to read.
        total_bytes: u64,
    },
    /// Everything is ready; the job as it will be run, with nothing left open.
    Started {
        /// The job.
        job: Box<Job>,
        /// The device's name.
        device: String,
        /// `f16` or `f32`.
        precision: String,
        /// Pictures to make.
        count: usize,
        /// Steps a picture takes.
        steps: usize,
    },
    /// The device compiles what the job needs for the first time.
    Preparing {
        /// Kernels compiled.
        done: usize,
        /// Kernels to compile.
        of: usize,
        /// Seconds that the others take, at the rate so far.
        left_secs: f64,
    },
    /// Something was done differently than asked.
    Warning {
        /// What, and why.
        message: String,
    },
    /// Guides looked at what a turn of a step believes in.
    Guided {
        /// Which picture, from 0.
        picture: usize,
        /// The step under way, from 1.
        step: usize,
        /// Each guide's loss, by its name.
        losses: Vec<(String, f32)>,
    },
    /// A step of the sampler is done.
    Step {
        /// Which picture, from 0.
        picture: usize,
        /// Steps done.
        step: usize,
        /// Steps in all.
        of: usize,
        /// Steps a second, lately.
        rate: f64,
        /// Seconds until the job is done, at that rate.
        left_secs: f64,
    },
    /// A step towards the latents of an edit's source is done.
    Trace {
        /// Steps done.
        step: usize,
        /// Steps in all, up to noise and down again.
        of: usize,
        /// Steps a second, lately.
        rate: f64,
        /// Seconds until they are found, at that rate.
        left_secs: f64,
    },
    /// The latents of an edit's source are ready to be taken.
    Traced {
        /// Seconds it took.
        secs: f64,
    },
    /// A picture is ready to be taken.
    Picture {
        /// Which picture, from 0.
        picture: usize,
        /// Pictures in all.
        of: usize,
        /// Its seed.
        seed: u64,
        /// Seconds it took.
        secs: f64,
    },
    /// A file was written.
    Saved {
        /// Where.
        path: String,
        /// `picture`, `sheet`, `latents` or `model`.
        what: String,
    },
    /// The person asked to stop.
    Stopped {
        /// Pictures that were finished before.
        finished: usize,
        /// Pictures that were asked for.
        of: usize,
    },
    /// Everything asked for is done.
    Done {
        /// Pictures made.
        pictures: usize,
        /// Seconds they took, loading aside.
        secs: f64,
    },
    /// The job ended without what it was for.
    Failed {
        /// What went wrong.
        message: String,
        /// Why, and why that, down to the root.
        causes: Vec<String>,
    },
}

impl Event {
    /// An error with all its causes.
    pub fn failed(error: &dyn Error) -> Self {
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        Self::Failed {
            message: error.to_string(),
            causes: causes.map(ToString::to_string).collect(),
        }
    }
}
