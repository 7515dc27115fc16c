//! What the page and the worker say to each other: the whole protocol.
//!
//! A message is a plain object. Its `type` names the variant below in kebab case, its other fields are the variant's own
//! in snake case, and it may carry an `id`, a number of the page's choice, which every answer to it repeats. What JSON
//! cannot hold travels beside the fields, as each variant says: `File`s, and bytes as an `ArrayBuffer`, which the worker
//! transfers. A whole number beyond `Number.MAX_SAFE_INTEGER`, as a seed may be, is a string of digits in both directions.
//!
//! The worker answers in the order it was asked, with two exceptions: what concerns stored models goes on beside the
//! pictures, and [`Asked::Stop`], [`Asked::Cancel`], [`Asked::Models`], [`Asked::Needs`], [`Asked::Hold`] and
//! [`Asked::ReadPng`] wait for nothing. Where no other answer comes, [`Said::Failed`] does.

use serde::{Deserialize, Serialize};

use crate::{
    session::{Event, Job, Size},
    tensor::Precision,
};

/// What the page asks.
#[derive(Debug, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case"
)]
pub enum Asked {
    /// Opens the GPU; first of all. Answered by [`Said::Opened`] or [`Said::Unavailable`].
    Open {
        /// How numbers are to be stored.
        #[serde(default)]
        precision: PrecisionName,
    },
    /// Brings a model to the GPU, in place of the one that is there. Answered by [`Event::Loading`]s and [`Said::Loaded`].
    Load {
        /// `mini`, or the name of one in [`Said::Models`].
        model: String,
    },
    /// Makes pictures, after loading the job's model if another is there. Answered by [`Said::Event`]s, of which
    /// `done`, `stopped` or `failed` is the last, by [`Said::Source`]s, [`Said::Preview`]s and [`Said::Picture`]s. The picture of an
    /// edit must be held.
    Start {
        /// What to do, as in a job file of the command line.
        job: Box<Job>,
        /// Whether to show what is coming.
        #[serde(default = "yes")]
        previews: bool,
    },
    /// Ends the job under way within a step, or the loading within a piece, and drops what waits to be started.
    Stop,
    /// Says what a job would take. Answered by [`Said::Needs`].
    Needs {
        /// The job.
        job: Box<Job>,
    },
    /// Lists the models. Answered by [`Said::Models`], as is whatever changes the list.
    Models,
    /// Looks at what is offered for adding, a few kilobytes of it. Answered by [`Said::Inspected`].
    ///
    /// Beside it either `files` as in [`Asked::AddFiles`], or the address here.
    Inspect {
        /// Where the checkpoint is.
        #[serde(default)]
        url: Option<String>,
    },
    /// Adds the checkpoint in `files`, which stands beside this: an array of `File`s, a single `.safetensors` or the files of a folder
    /// in the diffusers layout by their `webkitRelativePath` (or, where that is empty, by a `path` each entry has
    /// beside its `file`). Answered by [`Said::Progress`]s and [`Said::Added`].
    AddFiles {
        /// Whether to keep it for the next visit; if not, it is there for this one.
        #[serde(default = "yes")]
        store: bool,
    },
    /// Fetches a checkpoint in a single file; goes on where an earlier attempt ended. Answered by [`Said::Progress`]s and
    /// [`Said::Added`].
    AddUrl {
        /// Where it is.
        url: String,
        /// What its bytes must sum to, in hexadecimal.
        #[serde(default)]
        sha256: Option<String>,
        /// Whether to keep it for the next visit; if not, its weights are fetched whenever they are loaded.
        #[serde(default = "yes")]
        store: bool,
    },
    /// Ends the adding under way, and drops what waits to be added. What was fetched so far is kept, to go on with.
    Cancel,
    /// Deletes a model, or what there is of one. Answered by [`Said::Models`].
    Remove {
        /// Its name.
        name: String,
    },
    /// Deletes the latents that were stored for sources of edits. Answered by [`Said::Models`].
    ForgetTraces,
    /// Takes a file that edits begin with or guides are made of; beside it `bytes`, as an `ArrayBuffer`. The worker keeps the
    /// last few. Answered by [`Said::Held`].
    Hold {
        /// What it is.
        #[serde(default)]
        what: HeldKind,
    },
    /// Reads the job that a picture remembers; beside it `bytes`, the file as an `ArrayBuffer`. Answered by [`Said::Job`].
    ReadPng,
    /// Measures this device with mini. Answered by [`Said::Bench`]es.
    Bench,
    /// Loses the GPU on purpose, as a driver that crashes would, to see what happens.
    Lose,
}

/// How numbers are to be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionName {
    /// f16, which is what every device can.
    #[default]
    Auto,
    /// Half precision.
    F16,
    /// Single precision.
    F32,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::Auto => Self::Auto,
            PrecisionName::F16 => Self::F16,
            PrecisionName::F32 => Self::F32,
        }
    }
}

/// What a file is that is to be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldKind {
    /// A picture, which is read at once.
    #[default]
    Picture,
    /// Anything else, a network or an embedding.
    File,
}

fn yes() -> bool {
    true
}

/// What the worker answers.
#[derive(Debug, Serialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case"
)]
pub enum Said {
    /// The GPU is open.
    Opened {
        /// What it is.
        device: DeviceSaid,
    },
    /// There is no GPU to open.
    Unavailable {
        /// Why.
        reason: Unavailable,
        /// The same in a sentence.
        message: String,
    },
    /// A model is on the GPU.
    Loaded {
        /// Its name.
        model: String,
        /// What it is usually asked for.
        traits: TraitsSaid,
        /// Bytes its weights take on the GPU.
        weight_bytes: u64,
    },
    /// Something happened during a job or a loading: the same as a line of the command line's `--json`.
    Event {
        /// What.
        event: Event,
    },
    /// What the picture under way will about look like; beside it `rgba`.
    Preview {
        /// Which picture, from 0.
        picture: usize,
        /// Steps done.
        step: usize,
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
    },
    /// What an edit begins with; beside it `rgba` and `png`.
    Source {
        /// Which.
        what: SourceName,
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// The job that makes it, where one does.
        job: Option<Box<Job>>,
    },
    /// A finished picture; beside it `rgba`, `png`, the file that remembers its job, `latents`, the floats it was decoded
    /// from, `[4, h, w]`, and `map_values`, a byte for each place of all maps, row by row.
    Picture {
        /// Which picture, from 0.
        picture: usize,
        /// Its seed.
        seed: u64,
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// The job that makes this picture alone.
        job: Box<Job>,
        /// What techniques saw in its steps.
        maps: Vec<MapSaid>,
        /// How good each of its guides finds it; greater is better.
        scores: Vec<(String, f32)>,
    },
    /// A file is held.
    Held {
        /// The sum of its file, which is what jobs know it by.
        sha256: String,
        /// Pixels across, once it is upright; 0 where it is no picture, as is its height.
        width: usize,
        /// Pixels down.
        height: usize,
        /// What was lost in reading it, in sentences.
        warnings: Vec<String>,
    },
    /// What a job would take.
    Needs {
        /// Bytes of GPU memory for the weights.
        weight_bytes: u64,
        /// The most bytes that everything else takes at one time.
        intermediate_bytes: u64,
        /// Both.
        total_bytes: u64,
        /// Why this device cannot do it, in a sentence.
        problem: Option<String>,
    },
    /// The models there are, and the room for more.
    Models {
        /// Each model.
        models: Vec<ModelSaid>,
        /// The room; nothing where this browser stores nothing (a private window).
        storage: Option<StorageSaid>,
        /// What is stored to edit pictures again without delay.
        traces: TracesSaid,
    },
    /// What adding a checkpoint would take.
    Inspected {
        /// What it would be called.
        name: String,
        /// Bytes to fetch.
        fetch_bytes: u64,
        /// Bytes to store.
        store_bytes: u64,
        /// Bytes of GPU memory for a picture of its usual size.
        memory_bytes: Option<u64>,
        /// Why it cannot be stored, in a sentence: it can still be used in this visit.
        store_problem: Option<String>,
        /// Why it cannot be used at all, in a sentence.
        problem: Option<String>,
    },
    /// How far the adding of a model is.
    Progress {
        /// The model.
        name: String,
        /// What is being done.
        act: Act,
        /// Bytes done.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
        /// Bytes a second, lately.
        rate: f64,
        /// Seconds that are left at that rate.
        left_secs: f64,
    },
    /// A model was added.
    Added {
        /// Its name.
        name: String,
        /// Whether it is still there at the next visit.
        stored: bool,
        /// Why it is not, in a sentence, where that was asked for.
        note: Option<String>,
    },
    /// The job that a picture remembers.
    Job {
        /// The job.
        job: Box<Job>,
        /// The same in the form the sharing sites read.
        parameters: Option<String>,
    },
    /// The GPU was lost. The worker opens it anew, loads the model again, and goes on with the job, once.
    Lost {
        /// What the browser said.
        message: String,
    },
    /// Lines of the bench.
    Bench {
        /// What was measured since the last of these.
        lines: Vec<String>,
        /// Whether that was all.
        done: bool,
    },
    /// What was asked for did not work.
    Failed {
        /// What went wrong, and what to do.
        message: String,
        /// Why, and why that, down to the root.
        causes: Vec<String>,
    },
}

/// What an edit begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceName {
    /// The picture that was given, in the job's size.
    Picture,
    /// What the model makes of its latents without an edit; where no picture was given, the source itself.
    Reconstruction,
}

/// What a technique saw in a step.
#[derive(Debug, Serialize)]
pub struct MapSaid {
    /// What it is, in a word: `sag-mask` marks what was blurred.
    pub name: &'static str,
    /// The step, from 0.
    pub step: usize,
    /// Places across.
    pub width: usize,
    /// Places down.
    pub height: usize,
}

/// A device.
#[derive(Debug, Serialize)]
pub struct DeviceSaid {
    /// What its driver calls it; empty where the browser keeps that to itself.
    pub name: String,
    /// `webgpu`
    pub api: String,
    /// `f16` or `f32`
    pub storage: String,
    /// Whether it is a processor that plays a GPU.
    pub software: bool,
    /// Driver, features and limits: names and values.
    pub details: Vec<(String, String)>,
}

/// Why there is no GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// The browser has no WebGPU, or it is switched off.
    NoWebgpu,
    /// It has, and offers no GPU.
    NoAdapter,
    /// It offers one that does not open.
    Failed,
}

/// What a model is usually asked for.
#[derive(Debug, Serialize)]
pub struct TraitsSaid {
    /// The size it was trained on.
    pub size: Size,
    /// Steps of the sampler.
    pub steps: usize,
    /// How far to go towards the prompt.
    pub cfg_scale: f64,
    /// What both sides of a picture must be a multiple of.
    pub reduction: usize,
}

/// A model.
#[derive(Clone, Debug, Serialize)]
pub struct ModelSaid {
    /// What jobs call it.
    pub name: String,
    /// Where it is.
    pub place: ModelPlace,
    /// Bytes it has in all.
    pub bytes: u64,
    /// Bytes that are there.
    pub done_bytes: u64,
    /// Whether it is on the GPU now.
    pub loaded: bool,
    /// Where it came from, to go on with when it is not whole.
    pub url: Option<String>,
    /// What its bytes must sum to, where that was said.
    pub sha256: Option<String>,
}

/// Where a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelPlace {
    /// It comes with the page.
    BuiltIn,
    /// It is stored in the browser.
    Stored,
    /// A part of it is stored in the browser.
    Partial,
    /// It was given for this visit.
    Visit,
}

/// Room in the browser's storage.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StorageSaid {
    /// Whether the browser promised to delete nothing by itself; the page asks for that with
    /// `navigator.storage.persist()`, which workers do not have.
    pub persisted: bool,
    /// Bytes that this site may store.
    pub quota_bytes: u64,
    /// Bytes that it stores.
    pub usage_bytes: u64,
}

/// Latents that were found for sources of edits.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct TracesSaid {
    /// How many sources they are of.
    pub count: usize,
    /// Bytes of them all.
    pub bytes: u64,
}

/// What is being done to add a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Bytes come from the network.
    Fetch,
    /// Bytes are copied to the browser's storage.
    Store,
    /// What came is compared with its sum.
    Check,
}
