//! Mutual self-attention control (Cao et al. 2023, <https://arxiv.org/abs/2304.08465>).
//!
//! The complement of plug-and-play: the edit keeps its own queries and looks at the source's keys and values with them, so
//! that it may move but is made of the source's parts.

use super::{Features, Rows, Sites, SourceBranch};
use crate::{
    diffusion::{Level, Levels},
    error::Result,
    guidance::{Denoiser, Prediction},
    models::{
        config::UnetConfig,
        unet::{Qkv, Site, Tap},
    },
    tensor::Tensor,
};

/// The first self-attention, in the order they are computed, that looks at the source: the published default
/// (<https://github.com/TencentARC/MasaCtrl>), the third block of the decoder on.
const FIRST_LAYER: usize = 10;

/// The self-attentions that look at the source.
pub fn masactrl_sites(config: &UnetConfig) -> Vec<Site> {
    let all = Site::self_attentions(config);
    all.into_iter().skip(FIRST_LAYER).collect()
}

/// Lets the self-attentions of what it wraps look at the source instead of at the edit.
pub struct MasaCtrl<D> {
    inner: D,
    source: SourceBranch,
    sites: Sites,
    levels: Levels,
    guided: bool,
}

impl<D> MasaCtrl<D> {
    /// Edits at the levels named; `guided` says whether `inner` has rows for the negative or empty prompt.
    pub fn new(
        inner: D,
        source: SourceBranch,
        attention: Vec<Site>,
        levels: Levels,
        guided: bool,
    ) -> Self {
        let sites = Sites {
            qkv: attention,
            ..Sites::default()
        };
        Self {
            inner,
            source,
            sites,
            levels,
            guided,
        }
    }

    fn look(&self, x: &Tensor, at: Level) -> Result<Option<Look>> {
        if self.sites.is_empty() || !self.levels.contain(at) {
            return Ok(None);
        }
        let [pictures, ..] = x.dims::<4>();
        let rows = Rows {
            pictures,
            guided: self.guided,
        };
        let features = self.source.features(at, &self.sites)?;
        Ok(Some(Look { features, rows }))
    }
}

/// Puts the source's keys and values in the place of the edit's.
struct Look {
    features: Features,
    rows: Rows,
}

impl Tap for Look {
    fn qkv(&mut self, at: Site, own: Qkv) -> Qkv {
        let Some(source) = self.features.qkv.get(&at) else {
            return own;
        };
        let count = own.q.shape()[0];
        Qkv {
            q: own.q,
            k: self.rows.spread(&source.k, count),
            v: self.rows.spread(&source.v, count),
        }
    }
}

impl<D: Denoiser> Denoiser for MasaCtrl<D> {
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction> {
        match self.look(x, at)? {
            Some(mut look) => self.inner.predict(x, at, &mut (tap, &mut look)),
            None => self.inner.predict(x, at, tap),
        }
    }

    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Tensor> {
        match self.look(x, at)? {
            Some(mut look) => self.inner.unguided(x, at, &mut (tap, &mut look)),
            None => self.inner.unguided(x, at, tap),
        }
    }
}
