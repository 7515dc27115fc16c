//! Parameters drawn at random, so that tests and benches need no weights.
//!
//! Every number is a function of its tensor's name and its place alone, and comes out the same in
//! `tests/fixtures/drawn.py`, so that a fixture holds inputs and outputs only.

use super::{Kind, Parameters};
use crate::{
    error::Result,
    tensor::{Device, Tensor},
};

/// Numbers that are drawn and uploaded at one time.
const PIECE: usize = 1 << 20;
/// Half the width of the interval that biases and norms' parameters are drawn from.
const VECTOR_SPREAD: f32 = 0.1;
/// The odd constant nearest to 2^64 divided by the golden ratio: `SplitMix64`'s step
/// (Steele, Lea and Flood 2014, <https://doi.org/10.1145/2714064.2660195>).
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Parameters drawn at random, in such a size that a network's numbers neither vanish nor explode.
pub struct Random {
    device: Device,
}

impl Random {
    /// On this device.
    pub fn new(device: &Device) -> Self {
        Self {
            device: device.clone(),
        }
    }
}

impl Parameters for Random {
    fn device(&self) -> &Device {
        &self.device
    }

    fn take(&mut self, name: &str, kind: Kind) -> Result<Tensor> {
        let (spread, middle) = spread_and_middle(name, kind);
        let seed = name_hash(name);
        let count = kind.elements();
        let mut upload = self.device.upload(kind.uploaded())?;
        for start in (0..count).step_by(PIECE) {
            let end = count.min(start + PIECE);
            let piece: Vec<f32> = (start..end)
                .map(|index| middle + spread * uniform(seed, index as u64))
                .collect();
            upload.write(&piece)?;
        }
        kind.arrange(&upload.finish()?)
    }
}

/// Half the width of the interval a tensor's numbers are drawn from, and its middle.
///
/// A matrix is to keep the variance of what goes through it, 1 over its number of inputs; a uniform distribution of
/// half width `a` has variance `a^2 / 3`.
fn spread_and_middle(name: &str, kind: Kind) -> (f32, f32) {
    let keeping = |inputs: usize| (3.0 / inputs as f64).sqrt() as f32;
    match kind {
        Kind::Conv {
            inputs,
            kernel: [kh, kw],
            ..
        } => (keeping(inputs * kh * kw), 0.0),
        Kind::Linear { inputs, .. } => (keeping(inputs), 0.0),
        Kind::Table { .. } => (keeping(1), 0.0),
        Kind::Vector(_) if name.ends_with("weight") || name.ends_with("running_var") => {
            (VECTOR_SPREAD, 1.0)
        }
        Kind::Vector(_) => (VECTOR_SPREAD, 0.0),
    }
}

/// FNV-1a, 64 bits (<https://datatracker.ietf.org/doc/html/rfc9923>).
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// The number of this place in the sequence of `seed`, in [-1, 1): the upper 24 bits of `SplitMix64`'s.
fn uniform(seed: u64, index: u64) -> f32 {
    let mut bits = seed.wrapping_add((index + 1).wrapping_mul(STEP));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    (bits >> 40) as f32 / (1 << 23) as f32 - 1.0
}
