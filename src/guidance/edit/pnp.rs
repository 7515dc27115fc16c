//! Plug-and-play diffusion features (Tumanyan et al. 2022, <https://arxiv.org/abs/2211.12572>).
//!
//! The layout of a picture is in what two kinds of layers compute of it: a residual block of the decoder says where its parts
//! are, and the decoder's self-attentions say what belongs together. An edit that is given the source's gets its layout.

use super::{Features, Rows, Sites, SourceBranch};
use crate::{
    diffusion::{Level, Levels},
    error::Result,
    guidance::{Denoiser, Prediction},
    models::unet::{Block, Part, Qkv, Site, Tap},
    tensor::Tensor,
};

/// The residual block whose output is the source's: `up_blocks.1.resnets.1`, which the original repository calls
/// `output_blocks.4`.
pub const FEATURES: Site = Site {
    block: Block::Up(1),
    layer: 1,
    part: Part::Resnet,
};

/// The self-attentions whose queries and keys are the source's: `up_blocks.1.attentions.{1,2}` and
/// `up_blocks.{2,3}.attentions.{0,1,2}`.
pub const ATTENTIONS: [Site; 8] = [
    attention(1, 1),
    attention(1, 2),
    attention(2, 0),
    attention(2, 1),
    attention(2, 2),
    attention(3, 0),
    attention(3, 1),
    attention(3, 2),
];

const fn attention(block: usize, layer: usize) -> Site {
    Site {
        block: Block::Up(block),
        layer,
        part: Part::SelfAttention,
    }
}

/// Where plug-and-play puts the source's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PnpSites {
    /// Residual blocks.
    pub features: Vec<Site>,
    /// Self-attentions.
    pub attention: Vec<Site>,
}

impl Default for PnpSites {
    fn default() -> Self {
        Self {
            features: vec![FEATURES],
            attention: ATTENTIONS.to_vec(),
        }
    }
}

/// Gives what it wraps the source's features, and the queries and keys of its self-attentions.
///
/// Values stay the edit's own, and so do cross-attentions and skips.
pub struct PlugAndPlay<D> {
    inner: D,
    source: SourceBranch,
    sites: PnpSites,
    features_at: Levels,
    attention_at: Levels,
    guided: bool,
}

impl<D> PlugAndPlay<D> {
    /// Edits at the levels named; `guided` says whether `inner` has rows for the negative or empty prompt.
    pub fn new(
        inner: D,
        source: SourceBranch,
        sites: PnpSites,
        [features_at, attention_at]: [Levels; 2],
        guided: bool,
    ) -> Self {
        Self {
            inner,
            source,
            sites,
            features_at,
            attention_at,
            guided,
        }
    }

    fn wanted(&self, at: Level) -> Sites {
        let when = |acts: bool, sites: &Vec<Site>| if acts { sites.clone() } else { Vec::new() };
        Sites {
            hidden: when(self.features_at.contain(at), &self.sites.features),
            qkv: when(self.attention_at.contain(at), &self.sites.attention),
            probs: Vec::new(),
        }
    }

    fn inject(&self, x: &Tensor, at: Level) -> Result<Option<Inject>> {
        let wanted = self.wanted(at);
        if wanted.is_empty() {
            return Ok(None);
        }
        let [pictures, ..] = x.dims::<4>();
        let rows = Rows {
            pictures,
            guided: self.guided,
        };
        let features = self.source.features(at, &wanted)?;
        Ok(Some(Inject { features, rows }))
    }
}

/// Puts the source's values in the place of the edit's.
struct Inject {
    features: Features,
    rows: Rows,
}

impl Tap for Inject {
    fn hidden(&mut self, at: Site, h: Tensor) -> Tensor {
        match self.features.hidden.get(&at) {
            Some(source) => self.rows.spread(source, h.shape()[0]),
            None => h,
        }
    }

    fn qkv(&mut self, at: Site, own: Qkv) -> Qkv {
        let Some(source) = self.features.qkv.get(&at) else {
            return own;
        };
        let count = own.q.shape()[0];
        Qkv {
            q: self.rows.spread(&source.q, count),
            k: self.rows.spread(&source.k, count),
            v: own.v,
        }
    }
}

impl<D: Denoiser> Denoiser for PlugAndPlay<D> {
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction> {
        match self.inject(x, at)? {
            Some(mut inject) => self.inner.predict(x, at, &mut (tap, &mut inject)),
            None => self.inner.predict(x, at, tap),
        }
    }

    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Tensor> {
        match self.inject(x, at)? {
            Some(mut inject) => self.inner.unguided(x, at, &mut (tap, &mut inject)),
            None => self.inner.unguided(x, at, tap),
        }
    }
}
