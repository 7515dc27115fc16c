//! What a run hands over.

use crate::{
    error::Result,
    guidance::{Map, universal::Iteration},
    picture::{Picture, png::Notes},
};

/// A finished picture.
pub struct Made {
    /// The picture.
    pub picture: Picture,
    /// What its file is to remember.
    pub notes: Notes,
    /// Its seed.
    pub seed: u64,
    /// The latents it was decoded from, `[4, h, w]`.
    pub latents: Vec<f32>,
    /// What techniques saw in each step, in the order of the steps.
    pub maps: Vec<StepMap>,
    /// Further pictures that techniques made beside it.
    pub extras: Vec<Extra>,
    /// How good each guide finds it; greater is better.
    pub scores: Vec<(String, f32)>,
    /// What the guides made of each turn, and in which step.
    pub turns: Vec<(usize, Iteration)>,
}

impl Made {
    /// How many turns showed a guide nothing to guide, in words; nothing where all did.
    pub fn skipped(&self) -> Option<String> {
        let skipped = self
            .turns
            .iter()
            .filter(|(_, turn)| turn.skipped > 0)
            .count();
        let of = self.turns.len();
        let advice = if skipped == of {
            ": the prompt has to ask for a face, or the guide to take it to be in the middle"
        } else {
            ""
        };
        (skipped > 0).then(|| {
            format!(
                "{skipped} of {of} turns showed no face, and went on without that guide{advice}"
            )
        })
    }
}

/// What a technique saw in a step: a picture of one channel, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct StepMap {
    /// What it is, in a word that names a file.
    pub name: &'static str,
    /// The step, from 0.
    pub step: usize,
    /// Height and width.
    pub size: [usize; 2],
    /// Between 0 and 1.
    pub values: Vec<f32>,
}

/// A picture that a technique made beside the one asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Extra {
    /// What it is, in a word that names a file.
    pub name: String,
    /// The picture.
    pub picture: Picture,
}

/// Maps from a device, each with its step.
pub(super) async fn read_maps(maps: &[(usize, Map)]) -> Result<Vec<StepMap>> {
    let mut seen = Vec::new();
    for (step, map) in maps {
        let [_, h, w, _] = map.values.dims();
        seen.push(StepMap {
            name: map.name,
            step: *step,
            size: [h, w],
            values: map.values.read().await?,
        });
    }
    Ok(seen)
}
