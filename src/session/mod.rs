//! What the command line and the page share: the job, the events it causes, and the run that works on it.

mod assemble;
pub mod bench;
mod blueprint;
#[cfg(not(target_arch = "wasm32"))]
#[path = "clock_native.rs"]
mod clock;
#[cfg(target_arch = "wasm32")]
#[path = "clock_web.rs"]
mod clock;
pub mod edit;
mod editing;
mod event;
mod framed;
pub mod guide;
mod job;
pub mod latents;
mod made;
mod memory;
pub mod notes;
mod open;
mod origin;
mod pace;
mod prepare;
mod preview;
mod quirks;
mod run;
mod size;
mod techniques;
mod trace;
mod traced;
mod traits;
mod waypoint;

pub use blueprint::{Blueprint, NeededParts};
pub use edit::{Edit, EditQuirks, Method, Source};
pub use event::Event;
pub use framed::Framed;
pub use guide::{GuideJob, Guiding, Materials, NamedFile, Target};
pub use job::{CheckedJob, Job, MadeOn, SamplerName, VERSION};
pub use latents::Latents;
pub use made::{Extra, Made, StepMap};
pub use memory::Needs;
pub use open::Session;
pub use origin::Origin;
pub use quirks::{Parity, Quirks};
pub use run::Run;
pub use size::Size;
pub use trace::Trace;
pub use traced::Traced;
pub use traits::Traits;
pub use waypoint::Waypoint;
