//! Guidance away from what the network predicts with its self-attention spoilt: PAG and SEG.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::sag::MID;
use crate::{
    diffusion::{Level, Levels, Window},
    error::{Error, Result},
    models::unet::{Part, Qkv, Site, Tap},
    tensor::Tensor,
};

/// Noisier than any level: the timestep that the adaptive scale counts from.
const NOISIEST: f64 = 1000.0;
/// From here on a blur is the mean of everything
/// (<https://github.com/SusungHong/SEG-SDXL/blob/cf8256d/pipeline_seg.py#L88>).
const INFINITE_SIGMA: f64 = 9999.0;

/// Perturbed-attention guidance (Ahn et al. 2024, <https://arxiv.org/abs/2403.17377>): every place attends to itself alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PagSettings {
    /// How far to go. 0 is no guidance.
    pub scale: f64,
    /// Taken from the scale for each training timestep below 1000; the scale never falls below 0.
    pub adaptive: f64,
    /// The self-attentions that are perturbed.
    pub layers: Vec<Site>,
    /// The steps in which it guides.
    pub window: Window,
}

impl Default for PagSettings {
    fn default() -> Self {
        Self {
            scale: 3.0,
            adaptive: 0.0,
            layers: vec![MID],
            window: Window::ALL,
        }
    }
}

impl PagSettings {
    /// Refuses what can never work.
    ///
    /// # Errors
    /// [`Error::Request`] in one sentence that says what would be right.
    pub fn check(&self) -> Result<()> {
        check("PAG", &[self.scale, self.adaptive], &self.layers)
    }
}

/// Smoothed-energy guidance (Hong 2024, <https://arxiv.org/abs/2408.00760>): places attend as their surroundings would.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegSettings {
    /// How far to go. 0 is no guidance.
    pub scale: f64,
    /// Standard deviation of the blur of the queries, in places of the map; what it is really steered by. Above 9999 every
    /// query is the mean of all.
    pub sigma: f64,
    /// The self-attentions that are perturbed.
    pub layers: Vec<Site>,
    /// The steps in which it guides.
    pub window: Window,
}

impl Default for SegSettings {
    fn default() -> Self {
        Self {
            scale: 3.0,
            sigma: 100.0,
            layers: vec![MID],
            window: Window::ALL,
        }
    }
}

impl SegSettings {
    /// Refuses what can never work.
    ///
    /// # Errors
    /// [`Error::Request`] in one sentence that says what would be right.
    pub fn check(&self) -> Result<()> {
        if self.sigma <= 0.0 {
            return Err(Error::Request(format!(
                "SEG blurs with a sigma of {}, and must with one above 0: 100 is usual",
                self.sigma
            )));
        }
        check("SEG", &[self.scale, self.sigma], &self.layers)
    }
}

fn check(what: &str, numbers: &[f64], layers: &[Site]) -> Result<()> {
    if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
        let text = format!("{what} cannot work with {number}: use a finite number");
        return Err(Error::Request(text));
    }
    if layers.is_empty() {
        let text = format!("{what} has no layers to perturb: name one, {MID} is usual");
        return Err(Error::Request(text));
    }
    Ok(())
}

/// A branch of the prediction with some of its self-attention spoilt.
#[derive(Clone, Debug)]
pub struct Perturbed {
    perturbation: Perturbation,
    scale: f64,
    adaptive: f64,
    layers: Vec<Site>,
    levels: Levels,
}

/// What is done to self-attention.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Perturbation {
    /// Each place sees itself alone: the weights are the identity.
    Identity,
    /// Queries are blurred over the map, and by an infinite blur are their mean.
    BlurredQueries { sigma: f64 },
}

impl Perturbed {
    /// Perturbed-attention guidance at the levels named.
    pub fn identity(settings: &PagSettings, levels: Levels) -> Self {
        Self {
            perturbation: Perturbation::Identity,
            scale: settings.scale,
            adaptive: settings.adaptive,
            layers: settings.layers.clone(),
            levels,
        }
    }

    /// Smoothed-energy guidance at the levels named.
    pub fn blurred(settings: &SegSettings, levels: Levels) -> Self {
        let sigma = settings.sigma;
        Self {
            perturbation: Perturbation::BlurredQueries { sigma },
            scale: settings.scale,
            adaptive: 0.0,
            layers: settings.layers.clone(),
            levels,
        }
    }

    /// How strongly it guides at a level.
    pub fn scale(&self, at: Level) -> f64 {
        if self.adaptive > 0.0 {
            (self.scale - self.adaptive * (NOISIEST - at.t as f64)).max(0.0)
        } else {
            self.scale
        }
    }

    /// Whether its branch is worth a forward at a level.
    pub fn acts(&self, at: Level) -> bool {
        self.levels.contain(at) && self.scale(at) != 0.0
    }

    /// Spoils the self-attention of some rows of a batch, for latents of that size.
    pub(super) fn tap(&self, rows: Range<usize>, latents: [usize; 2], blocks: usize) -> Spoil<'_> {
        Spoil {
            perturbed: self,
            rows,
            latents,
            blocks,
        }
    }
}

/// Spoils the self-attention of some rows of a batch.
pub(super) struct Spoil<'a> {
    perturbed: &'a Perturbed,
    rows: Range<usize>,
    latents: [usize; 2],
    blocks: usize,
}

impl Spoil<'_> {
    fn is_at(&self, at: Site) -> bool {
        at.part == Part::SelfAttention && self.perturbed.layers.contains(&at)
    }

    /// `whole` with its rows made from those of `source`.
    fn replaced(
        &self,
        whole: &Tensor,
        source: &Tensor,
        make: impl Fn(&Tensor) -> Tensor,
    ) -> Tensor {
        let [batch, ..] = whole.dims::<3>();
        let made = make(&source.rows(self.rows.clone()));
        let before = (self.rows.start > 0).then(|| whole.rows(0..self.rows.start));
        let after = (self.rows.end < batch).then(|| whole.rows(self.rows.end..batch));
        let parts: Vec<_> = before.iter().chain([&made]).chain(&after).collect();
        Tensor::concat(&parts, 0)
    }
}

impl Tap for Spoil<'_> {
    fn qkv(&mut self, at: Site, qkv: Qkv) -> Qkv {
        match self.perturbed.perturbation {
            Perturbation::BlurredQueries { sigma } if self.is_at(at) => {
                let map = at.block.map_size(self.latents, self.blocks);
                let blur = |q: &Tensor| blurred(q, map, sigma);
                Qkv {
                    q: self.replaced(&qkv.q, &qkv.q, blur),
                    ..qkv
                }
            }
            _ => qkv,
        }
    }

    fn gathered(&mut self, at: Site, gathered: Tensor, v: &Tensor) -> Tensor {
        if self.perturbed.perturbation == Perturbation::Identity && self.is_at(at) {
            // Weights that are the identity gather each place's own value.
            return self.replaced(&gathered, v, Tensor::clone);
        }
        gathered
    }
}

/// Several branches, each with rows of its own.
impl Tap for &mut [Spoil<'_>] {
    fn qkv(&mut self, at: Site, qkv: Qkv) -> Qkv {
        self.iter_mut().fold(qkv, |qkv, spoil| spoil.qkv(at, qkv))
    }

    fn gathered(&mut self, at: Site, gathered: Tensor, v: &Tensor) -> Tensor {
        let spoils = self.iter_mut();
        spoils.fold(gathered, |gathered, spoil| spoil.gathered(at, gathered, v))
    }
}

/// Tokens of a map blurred over it.
///
/// The kernel spans six deviations, but no more than the map and one place
/// (<https://github.com/SusungHong/SEG-SDXL/blob/cf8256d/pipeline_seg.py#L47>).
///
/// # Shapes
/// - `tokens`: `[B, h * w, C]`, also returned
fn blurred(tokens: &Tensor, [h, w]: [usize; 2], sigma: f64) -> Tensor {
    let [batch, count, channels] = tokens.dims();
    if sigma > INFINITE_SIGMA {
        return tokens.mean(&[1]).expand([batch, count, channels]);
    }
    let span = (6.0 * sigma).ceil() as usize;
    let side = h.min(w);
    let kernel = (span + 1 - span % 2).min(side + 1 - side % 2);
    let map = tokens.reshape([batch, h, w, channels]);
    map.gaussian_blur(kernel, sigma)
        .reshape([batch, count, channels])
}
