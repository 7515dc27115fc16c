//! What the command line and the page share: the job, the events it causes, and the run that works on it.

mod event;
mod job;
pub mod notes;
mod quirks;
mod size;
mod traits;

pub use event::Event;
pub use job::{CheckedJob, Job, MadeOn, SamplerName, VERSION};
pub use quirks::{Parity, Quirks};
pub use size::Size;
pub use traits::Traits;
