//! What can go wrong at the edges of the crate.

use std::io;

/// What can go wrong at the edges. Maths inside the crate asserts instead: a wrong shape there is our bug.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request itself is wrong; the text says which part and what would be right.
    #[error("{0}")]
    Request(String),
    /// No device fits the request; the text says what was looked for and what to do.
    #[error("{0}")]
    NoDevice(String),
    /// The device stopped working in the middle of a job.
    #[error("the device was lost: {0}")]
    DeviceLost(String),
    /// The job needs more memory than the device has.
    #[error("{what} needs {needed_bytes} bytes and {place} has {available_bytes}: {advice}")]
    Memory {
        /// What was about to be done.
        what: String,
        /// Where the memory would have come from.
        place: String,
        /// Bytes that it would take.
        needed_bytes: u64,
        /// Bytes that there are.
        available_bytes: u64,
        /// What to do about it.
        advice: String,
    },
    /// A file of weights is not what it should be.
    #[error("{place}: {problem}")]
    Weights {
        /// The file, folder or address.
        place: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A tensor has another shape than the model needs.
    #[error("weight {name:?} is {found:?}, the model needs {needed:?}")]
    WeightShape {
        /// Name of the tensor in the file.
        name: String,
        /// Its shape there.
        found: Vec<usize>,
        /// The shape that the model's config asks for.
        needed: Vec<usize>,
    },
    /// A file could not be read.
    #[error("could not read {place}")]
    Read {
        /// The file, folder or address.
        place: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("could not write {place}")]
    Write {
        /// The file or folder.
        place: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The numbers stopped being numbers.
    #[error("{0}")]
    NotFinite(String),
    /// The person asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
