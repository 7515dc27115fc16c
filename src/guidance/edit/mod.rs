//! Edits: a picture is made anew under another prompt, and a source lends what its own forward computed.
//!
//! Every edit here is the same three parts. A [`SourceBranch`] forwards the source's latents at the level of the step and
//! records what the method asks for; the method puts that in place of what the edit's own forward computes; and the
//! denoiser it wraps knows nothing of it. The source has a forward of its own instead of a row in the edit's batch, which is
//! the same, since rows never mix, and spares it where nothing is taken from it any more.

mod masactrl;
pub mod pnp;
mod prompt_to_prompt;
mod source;

pub use masactrl::{MasaCtrl, masactrl_sites};
pub use pnp::{PlugAndPlay, PnpSites};
pub use prompt_to_prompt::{PromptToPrompt, alignment};
pub use source::{Features, Kept, Sites, SourceBranch};

use crate::tensor::Tensor;

/// Which rows of a batch are which: those for the negative or empty prompt stand first, one a picture, and all others are
/// for the prompt, as [`super::Cfg`] has them.
#[derive(Clone, Copy)]
struct Rows {
    /// Pictures that are denoised together.
    pictures: usize,
    /// Whether the guided prediction has rows for the negative or empty prompt.
    guided: bool,
}

impl Rows {
    /// How many of so many rows, the last ones, are for the prompt. With one row a picture, a guided prediction is at its
    /// unguided forward.
    fn cond(self, rows: usize) -> usize {
        if self.guided {
            rows - self.pictures
        } else {
            rows
        }
    }

    /// What the source has for each of so many rows: its only row for all, or, of two, the first for the negative or
    /// empty prompt and the second for the prompt.
    fn spread(self, source: &Tensor, rows: usize) -> Tensor {
        if source.shape()[0] == 1 {
            return repeated(source, rows);
        }
        let cond = self.cond(rows);
        let parts = [(0, rows - cond), (1, cond)];
        let parts = parts.into_iter().filter(|(_, count)| *count > 0);
        let parts: Vec<_> = parts
            .map(|(row, count)| repeated(&source.rows(row..row + 1), count))
            .collect();
        Tensor::concat(&parts.iter().collect::<Vec<_>>(), 0)
    }

    /// The rows for the prompt are replaced by what `with` makes of them, the others stay.
    fn replace_cond(self, own: &Tensor, with: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        let rows = own.shape()[0];
        let cond = self.cond(rows);
        if cond == 0 {
            return own.clone();
        }
        let replaced = with(&own.rows(rows - cond..rows));
        if cond == rows {
            return replaced;
        }
        Tensor::concat(&[&own.rows(0..rows - cond), &replaced], 0)
    }
}

/// One row, so many times.
fn repeated(row: &Tensor, rows: usize) -> Tensor {
    let mut shape = row.shape().to_vec();
    shape[0] = rows;
    row.expand(shape)
}
