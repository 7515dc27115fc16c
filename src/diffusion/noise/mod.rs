//! Where noise comes from: one seed is one noise, on every platform.
//!
//! Two generators are offered. [`NoiseSource::Guidestar`] is Philox 4x32-10 in counter mode, turned into normals by the
//! Box-Muller transform in f64 with this crate's own logarithm and sine, because those of platforms differ in their last
//! bits. [`NoiseSource::Torch`] follows PyTorch's CPU generator, so that published pictures can be compared.
//!
//! Both are drawn in the order of files, `[4, h, w]` a picture, and laid out channels last afterwards.

mod normal;
mod philox;
mod torch;

use serde::{Deserialize, Serialize};

use crate::tensor::{Device, Shape, Tensor};

/// Which generator noise is drawn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoiseSource {
    /// This crate's own, the same on every platform to the last bit.
    #[default]
    Guidestar,
    /// PyTorch's CPU generator, to the last bit but for the rounding of its logarithm and sine.
    Torch,
}

/// A stream of normal numbers; each draw goes on where the last one ended.
#[derive(Clone)]
pub struct Noise(Stream);

#[derive(Clone)]
enum Stream {
    Guidestar(philox::Philox),
    Torch(Box<torch::Torch>),
}

impl Noise {
    /// The stream of this seed.
    pub fn new(source: NoiseSource, seed: u64) -> Self {
        Self(match source {
            NoiseSource::Guidestar => Stream::Guidestar(philox::Philox::new(seed)),
            NoiseSource::Torch => Stream::Torch(Box::new(torch::Torch::new(seed))),
        })
    }

    /// The next `count` numbers of mean 0 and variance 1.
    pub fn draw(&mut self, count: usize) -> Vec<f32> {
        match &mut self.0 {
            Stream::Guidestar(philox) => philox.normals(count),
            Stream::Torch(torch) => torch.normals(count),
        }
    }
}

/// Fresh noise of the shape of some latents, one generator a row.
///
/// # Shapes
/// - `shape`: `[B, h, w, C]`, drawn as `[C, h, w]` a row
///
/// # Panics
/// When there is not one generator a row.
pub fn latents(noise: &mut [Noise], device: &Device, shape: &Shape) -> Tensor {
    assert_eq!(noise.len(), shape[0], "one generator a picture");
    let each = shape.elements() / shape[0];
    let drawn: Vec<f32> = noise.iter_mut().flat_map(|row| row.draw(each)).collect();
    device.tensor(shape.clone(), channels_last(&drawn, shape))
}

/// Lays `[B, C, h, w]` out as `[B, h, w, C]`, which is the `shape`.
pub fn channels_last(elements: &[f32], shape: &Shape) -> Vec<f32> {
    transposed(elements, shape[3], shape[1] * shape[2])
}

/// Lays `[B, h, w, C]`, which is the `shape`, out as `[B, C, h, w]`.
pub fn channels_first(elements: &[f32], shape: &Shape) -> Vec<f32> {
    transposed(elements, shape[1] * shape[2], shape[3])
}

/// Each matrix of so many rows and columns, transposed.
fn transposed(elements: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut result = Vec::with_capacity(elements.len());
    for matrix in elements.chunks_exact(rows * columns) {
        for column in 0..columns {
            result.extend((0..rows).map(|row| matrix[row * columns + column]));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_goes_on_where_it_ended() {
        // PyTorch fills short and long draws differently, so only equal pieces agree there.
        let mut whole = Noise::new(NoiseSource::Guidestar, 7);
        let mut pieces = Noise::new(NoiseSource::Guidestar, 7);
        let together = whole.draw(11);
        let apart = [pieces.draw(3), pieces.draw(1), pieces.draw(7)].concat();
        assert_eq!(together, apart);
    }

    #[test]
    fn normals_have_the_moments_of_a_normal() {
        for source in [NoiseSource::Guidestar, NoiseSource::Torch] {
            let drawn = Noise::new(source, 1).draw(1 << 18);
            let moment = |power: i32| {
                drawn.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / drawn.len() as f64
            };
            // Five standard errors of each moment at this count.
            for (power, expected, tolerance) in [
                (1, 0.0, 0.01),
                (2, 1.0, 0.014),
                (3, 0.0, 0.038),
                (4, 3.0, 0.096),
            ] {
                let found = moment(power);
                assert!(
                    (found - expected).abs() < tolerance,
                    "{source:?} {power}: {found}"
                );
            }
        }
    }

    #[test]
    fn layouts_are_each_other_s_inverse() {
        let shape = Shape::from([2, 1, 3, 2]);
        let first: Vec<f32> = (0..12u8).map(f32::from).collect();
        let last = channels_last(&first, &shape);
        assert_eq!(last[..6], [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(channels_first(&last, &shape), first);
    }

    #[test]
    fn seeds_that_differ_anywhere_draw_differently() {
        let draw = |seed| Noise::new(NoiseSource::Guidestar, seed).draw(4);
        assert_ne!(draw(1), draw(2));
        assert_ne!(draw(1), draw(1 | 1 << 63));
    }
}
