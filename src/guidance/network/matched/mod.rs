//! Guides on the networks that understand the default model's pictures ([`crate::models::guides`]).
//!
//! Each is made of [`Eyes`](crate::models::guides::Eyes) and what they are to see. Any eyes will do, so a guide made of eyes that were trained otherwise
//! judges what these have guided ([`scorer`]).

mod boxes;
mod contrast;
mod cutout;
mod likeness;
mod meaning;
mod naming;
mod scorer;
mod style;

pub use boxes::{Boxed, Boxes};
pub use contrast::Contrast;
pub use cutout::Cutout;
pub use likeness::Likeness;
pub use meaning::{Angle, Meaning};
pub use naming::Naming;
pub use scorer::{Goal, scorer};
pub use style::{Style, Trait};

use crate::{
    error::{Error, Result},
    models::guides::{Eyes, Question},
};

/// How far a picture may be moved to whoever asks what it shows.
const SWAY: f32 = 0.1;
/// How far it may be to whoever asks where things are: about a cell of the mask.
const PLACED_SWAY: f32 = 0.03;

/// Which of a question's answers is called `name`; spelled in any case.
fn answer(eyes: &Eyes, question: Question, name: &str) -> Result<usize> {
    let names = eyes.names(question);
    let wanted = name.trim().to_lowercase();
    let found = names
        .iter()
        .position(|known| known.to_lowercase() == wanted);
    found.ok_or_else(|| {
        Error::Request(format!(
            "the guide knows no {} called {name:?}; it knows {}",
            question.name(),
            names.join(", ")
        ))
    })
}
