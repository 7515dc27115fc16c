//! Free lunch in the U-Net (Si et al. 2023, <https://arxiv.org/abs/2309.11497>): the backbone louder, the skips' slow
//! waves quieter. It costs no forward.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::{Denoiser, Prediction};
use crate::{
    diffusion::Level,
    error::{Error, Result},
    models::unet::{Block, Site, Tap},
    tensor::Tensor,
};

/// What [`FreeU`] can be told. The defaults are its author's for Stable Diffusion 1.5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FreeUSettings {
    /// The backbone's factor in the first stage.
    pub b1: f64,
    /// The backbone's factor in the second stage.
    pub b2: f64,
    /// The factor of the skips' slow waves in the first stage.
    pub s1: f64,
    /// The factor of the skips' slow waves in the second stage.
    pub s2: f64,
    /// 1 scales the backbone everywhere alike, 2 more where it is active.
    pub version: u8,
    /// Which layers belong to the stages.
    pub gating: Gating,
}

/// Which layers belong to the two stages; the implementations differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gating {
    /// The first two blocks of the way up, as in diffusers.
    #[default]
    Stages,
    /// The layers where the backbone has as many channels as the U-Net's widest block, and the next narrower one: its
    /// author's, and `ComfyUI`'s.
    Channels,
}

impl Default for FreeUSettings {
    fn default() -> Self {
        Self {
            b1: 1.5,
            b2: 1.6,
            s1: 0.9,
            s2: 0.2,
            version: 1,
            gating: Gating::Stages,
        }
    }
}

impl FreeUSettings {
    /// Refuses what can never work.
    ///
    /// # Errors
    /// [`Error::Request`] in one sentence that says what would be right.
    pub fn check(&self) -> Result<()> {
        let numbers = [self.b1, self.b2, self.s1, self.s2];
        if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
            let text = format!("FreeU cannot work with {number}: use a finite number");
            return Err(Error::Request(text));
        }
        if ![1, 2].contains(&self.version) {
            let text = format!("there is no FreeU of version {}: use 1 or 2", self.version);
            return Err(Error::Request(text));
        }
        Ok(())
    }
}

/// Changes how backbone and skips are mixed in whatever forward the wrapped denoiser makes.
pub struct FreeU<D> {
    inner: D,
    mixing: Mixing,
}

impl<D> FreeU<D> {
    /// `widths` are the channels of the U-Net's blocks, from the outermost in.
    pub fn new(inner: D, settings: FreeUSettings, widths: &[usize]) -> Self {
        let widest = widths.iter().copied().max().unwrap_or(0);
        let narrower = widths.iter().copied().filter(|&width| width < widest);
        Self {
            inner,
            mixing: Mixing {
                settings,
                widths: [widest, narrower.max().unwrap_or(0)],
            },
        }
    }
}

impl<D: Denoiser> Denoiser for FreeU<D> {
    fn predict(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Prediction> {
        self.inner.predict(x, at, &mut (tap, &mut self.mixing))
    }

    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> Result<Tensor> {
        self.inner.unguided(x, at, &mut (tap, &mut self.mixing))
    }
}

struct Mixing {
    settings: FreeUSettings,
    /// Channels of the first and the second stage.
    widths: [usize; 2],
}

impl Mixing {
    /// The factors of backbone and skip at a layer, if it belongs to a stage.
    fn factors(&self, at: Site, channels: usize) -> Option<(f64, f64)> {
        let stage = match self.settings.gating {
            Gating::Stages => match at.block {
                Block::Up(stage) => Some(stage),
                _ => None,
            },
            Gating::Channels => self.widths.iter().position(|&width| width == channels),
        };
        match stage? {
            0 => Some((self.settings.b1, self.settings.s1)),
            1 => Some((self.settings.b2, self.settings.s2)),
            _ => None,
        }
    }
}

impl Tap for Mixing {
    fn join(&mut self, at: Site, backbone: Tensor, skip: Tensor) -> (Tensor, Tensor) {
        let channels = backbone.shape().last();
        let Some((louder, quieter)) = self.factors(at, channels) else {
            return (backbone, skip);
        };
        let half = backbone.slice(3, 0..channels / 2);
        let rest = backbone.slice(3, channels / 2..channels);
        let scaled = match self.settings.version {
            1 => half.affine(louder, 0.0),
            _ => half.mul(&activity(&backbone).affine(louder - 1.0, 1.0)),
        };
        let backbone = Tensor::concat(&[&scaled, &rest], 3);
        (backbone, skip.mix(1.0, &slow_waves(&skip), quieter - 1.0))
    }
}

/// How active each place is: the mean over channels, stretched to 0..1 for each picture.
///
/// # Shapes
/// - `x`: `[B, h, w, C]`
/// - returns `[B, h, w, 1]`
fn activity(x: &Tensor) -> Tensor {
    let mean = x.mean(&[3]);
    let least = mean.least(&[1, 2, 3]);
    let span = mean.greatest(&[1, 2, 3]).sub(&least);
    mean.sub(&least).div(&span)
}

/// The slowest waves of a feature map: what the four middle elements of its shifted spectrum stand for.
///
/// The references transform, scale the elements at the frequencies -1 and 0 of either axis, transform back and drop the
/// imaginary part. A frequency's part of a real picture `x` is, but for what is dropped,
/// `(C cos p + S sin p) / N` with `C = sum x cos p`, `S = sum x sin p` and `p = 2 pi (u r / h + v c / w)`: two products
/// with at most seven known waves, and no transform.
///
/// # Shapes
/// - `x`: `[B, h, w, C]`, also returned
#[must_use]
pub fn slow_waves(x: &Tensor) -> Tensor {
    let [batch, h, w, channels] = x.dims();
    let places = h * w;
    let waves = waves(h, w);
    let count = waves.len() / places;
    let device = x.device();
    // Divided by the root of the number of places both ways, so that f16 need not hold the sums.
    let waves = device.tensor([count, places], waves);
    let by_channel = x.reshape([batch, places, channels]).permute(&[0, 2, 1]);
    let strengths = by_channel.matmul_transposed(&waves, None);
    let slow = strengths.matmul(&waves, None);
    slow.permute(&[0, 2, 1]).reshape([batch, h, w, channels])
}

/// The waves of the frequencies -1 and 0 of either axis, each `[h * w]` and divided by the root of their number.
fn waves(h: usize, w: usize) -> Vec<f32> {
    let scale = ((h * w) as f64).sqrt().recip();
    let wave = |down: usize, across: usize, shape: fn(f64) -> f64| {
        (0..h * w).map(move |at| {
            let (row, column) = ((at / w) as f64, (at % w) as f64);
            let phase = down as f64 * row / h as f64 + across as f64 * column / w as f64;
            (scale * shape(TAU * phase)) as f32
        })
    };
    // An axis of one element has the frequency 0 alone.
    let frequencies = |extent: usize| 0..extent.min(2);
    let mut waves = Vec::new();
    for down in frequencies(h) {
        for across in frequencies(w) {
            waves.extend(wave(down, across, f64::cos));
            if down + across > 0 {
                waves.extend(wave(down, across, f64::sin));
            }
        }
    }
    waves
}
