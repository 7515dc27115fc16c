//! Guides that need no network.

mod observation;

pub use observation::{Observation, Operator, covering};
