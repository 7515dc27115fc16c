//! How fast a device is, against its own limits: what the command line's `bench` and the page's show.

mod cases;
mod measure;
pub mod table;

pub use cases::{Case, PASSES, Pass, Work, ceilings, operations};
pub use measure::{Ceilings, Figures, measure};

/// Whose shapes to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shapes {
    /// The default model's.
    Mini,
    /// Stable Diffusion 1.5's.
    Sd15,
}
