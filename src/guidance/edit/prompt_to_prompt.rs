//! Prompt-to-prompt (Hertz et al. 2022, <https://arxiv.org/abs/2208.01626>).
//!
//! What each word of a prompt is drawn by lies where its cross-attention looks. An edit that shares words with the source's
//! prompt looks for them where the source did, and early on its coarse self-attentions are the source's too.

use std::rc::Rc;

use super::{Features, Rows, Sites, SourceBranch, repeated};
use crate::{
    diffusion::{Level, Levels},
    error::Result,
    guidance::{Denoiser, Prediction},
    models::{
        config::UnetConfig,
        unet::{Part, Qkv, Site, Tap},
    },
    tensor::Tensor,
};

/// Self-attentions are the source's up to this share of the latents: `16^2` of `64^2`, as published
/// (<https://github.com/google/prompt-to-prompt/blob/main/prompt-to-prompt_stable.ipynb>).
const COARSE: usize = 16;

/// For each token of the edit's prompt, the one of the source's that it stands for.
///
/// Tokens that both have, in the same order, stand for each other: the longest common subsequence, which is the published
/// alignment. Between two such pairs, runs of other tokens of one length are a swap, word for word; anything else in the edit's
/// prompt is new and stands for nothing.
pub fn alignment(source: &[u32], target: &[u32]) -> Vec<Option<usize>> {
    let (rows, columns) = (source.len(), target.len());
    // Length of the longest common subsequence of what follows.
    let mut longest = vec![vec![0_usize; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            longest[row][column] = if source[row] == target[column] {
                longest[row + 1][column + 1] + 1
            } else {
                longest[row + 1][column].max(longest[row][column + 1])
            };
        }
    }
    let mut found = vec![None; columns];
    let (mut row, mut column) = (0, 0);
    let mut run = (0, 0);
    while row < rows && column < columns {
        if source[row] == target[column] {
            swap(&mut found, run, (row, column));
            found[column] = Some(row);
            (row, column) = (row + 1, column + 1);
            run = (row, column);
        } else if longest[row + 1][column] >= longest[row][column + 1] {
            row += 1;
        } else {
            column += 1;
        }
    }
    swap(&mut found, run, (rows, columns));
    found
}

/// Pairs the tokens between two places of the source and the edit, if there are as many on both sides.
fn swap(found: &mut [Option<usize>], from: (usize, usize), to: (usize, usize)) {
    if to.0 - from.0 == to.1 - from.1 {
        for step in 0..to.1 - from.1 {
            found[from.1 + step] = Some(from.0 + step);
        }
    }
}

/// Lets the words that the edit's prompt shares with the source's look where they looked in the source.
///
/// Only the rows for the prompt are touched. The source has one row: its prompt's.
pub struct PromptToPrompt<D> {
    inner: D,
    source: SourceBranch,
    sites: Sites,
    cross_at: Levels,
    self_at: Levels,
    alignment: Rc<[Option<usize>]>,
    guided: bool,
}

impl<D> PromptToPrompt<D> {
    /// Edits with cross-attentions and self-attentions at the levels named, in this order.
    ///
    /// `alignment` is one entry a token, [`alignment`]'s; `guided` says whether `inner` has rows for the negative or empty
    /// prompt.
    pub fn new(
        inner: D,
        source: SourceBranch,
        config: &UnetConfig,
        [cross_at, self_at]: [Levels; 2],
        alignment: Vec<Option<usize>>,
        guided: bool,
    ) -> Self {
        let selves = Site::self_attentions(config);
        let crosses = selves.iter().map(|site| Site {
            part: Part::CrossAttention,
            ..*site
        });
        let sites = Sites {
            probs: crosses.collect(),
            qkv: selves,
            ..Sites::default()
        };
        Self {
            inner,
            source,
            sites,
            cross_at,
            self_at,
            alignment: alignment.into(),
            guided,
        }
    }

    fn replace(&self, x: &Tensor, at: Level) -> Result<Option<Replace>> {
        let when = |acts: bool, sites: &Vec<Site>| if acts { sites.clone() } else { Vec::new() };
        let wanted = Sites {
            hidden: Vec::new(),
            qkv: when(self.self_at.contain(at), &self.sites.qkv),
            probs: when(self.cross_at.contain(at), &self.sites.probs),
        };
        if wanted.is_empty() {
            return Ok(None);
        }
        let [pictures, h, w, _] = x.dims();
        Ok(Some(Replace {
            features: self.source.features(at, &wanted)?,
            rows: Rows {
                pictures,
                guided: self.guided,
            },
            alignment: self.alignment.clone(),
            coarse: h * w / COARSE,
        }))
    }
}

/// Puts the source's attention in the place of the edit's where words or places match.
struct Replace {
    features: Features,
    rows: Rows,
    alignment: Rc<[Option<usize>]>,
    coarse: usize,
}

impl Tap for Replace {
    fn qkv(&mut self, at: Site, own: Qkv) -> Qkv {
        let [_, places, _] = own.q.dims();
        let source = self.features.qkv.get(&at);
        let Some(source) = source.filter(|_| places <= self.coarse) else {
            return own;
        };
        // The source's queries and keys make the source's weights.
        let put = |own: &Tensor, source: &Tensor| {
            let with = |own: &Tensor| repeated(source, own.shape()[0]);
            self.rows.replace_cond(own, with)
        };
        Qkv {
            q: put(&own.q, &source.q),
            k: put(&own.k, &source.k),
            v: own.v,
        }
    }

    fn wants_probs(&self, at: Site) -> bool {
        self.features.probs.contains_key(&at)
    }

    fn probs(&mut self, at: Site, own: Tensor) -> Tensor {
        let source = &self.features.probs[&at];
        let [_, heads, places, tokens] = own.dims();
        assert_eq!(self.alignment.len(), tokens, "an entry for each token");
        let device = own.device();
        let mut moved = vec![0.0; tokens * tokens];
        let mut fresh = vec![1.0; tokens];
        for (token, from) in self.alignment.iter().enumerate() {
            if let Some(from) = from {
                moved[from * tokens + token] = 1.0;
                fresh[token] = 0.0;
            }
        }
        let moved = device.tensor([tokens, tokens], moved);
        let fresh = device.tensor([1, 1, 1, tokens], fresh);
        let matched = source.matmul(&moved, None);
        self.rows.replace_cond(&own, |own| {
            let matched = matched.expand([own.shape()[0], heads, places, tokens]);
            own.mul(&fresh).add(&matched)
        })
    }
}

impl<D: Denoiser> Denoiser for PromptToPrompt<D> {
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction> {
        match self.replace(x, at)? {
            Some(mut replace) => self.inner.predict(x, at, &mut (tap, &mut replace)),
            None => self.inner.predict(x, at, tap),
        }
    }

    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Tensor> {
        match self.replace(x, at)? {
            Some(mut replace) => self.inner.unguided(x, at, &mut (tap, &mut replace)),
            None => self.inner.unguided(x, at, tap),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_common_stand_for_each_other() {
        // Begin, a, cat, on, red, end, end; another animal, a new colour in front.
        let source = [1, 10, 20, 30, 40, 2, 2];
        let swapped = [1, 10, 21, 30, 40, 2, 2];
        let all: Vec<_> = (0..7).map(Some).collect();
        assert_eq!(alignment(&source, &swapped), all);
        let longer = [1, 10, 50, 20, 30, 40, 2];
        let expected = [Some(0), Some(1), None, Some(2), Some(3), Some(4), Some(5)];
        assert_eq!(alignment(&source, &longer), expected);
        let shorter = [1, 10, 20, 2, 2, 2, 2];
        let found = alignment(&source, &shorter);
        assert_eq!(found[..3], [Some(0), Some(1), Some(2)]);
        assert_eq!(alignment(&source, &source), all);
    }
}
