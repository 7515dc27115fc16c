//! Whether what belongs together in one picture belongs together in another.

use crate::{error::Result, tensor::Tensor};

/// Products of lengths below this count as this.
const LENGTH_FLOOR: f64 = 1e-8;

/// What a network makes of each place of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Numbers for each place.
    width: usize,
    /// Place by place.
    numbers: Vec<f32>,
}

impl Features {
    /// Features from their numbers, place by place.
    ///
    /// # Panics
    /// When there are none, or not as many for each place.
    pub fn new(width: usize, numbers: Vec<f32>) -> Self {
        assert!(width > 0 && !numbers.is_empty(), "features of some places");
        assert_eq!(numbers.len() % width, 0, "as many for each place");
        Self { width, numbers }
    }

    /// Reads them from a device.
    ///
    /// # Shapes
    /// - `map`: `[1, h, w, C]` or `[1, N, C]`
    ///
    /// # Errors
    /// When the device fails.
    pub async fn read(map: &Tensor) -> Result<Self> {
        let width = map.shape()[map.shape().len() - 1];
        Ok(Self::new(width, map.read().await?))
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.numbers.len() / self.width
    }

    /// The cosine of each place with each other, row by row.
    fn similarities(&self) -> Vec<f64> {
        let rows: Vec<Vec<f64>> = self
            .numbers
            .chunks_exact(self.width)
            .map(|row| row.iter().map(|&x| f64::from(x)).collect())
            .collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let lengths: Vec<f64> = rows.iter().map(|row| dot(row, row).sqrt()).collect();
        let places = rows.len();
        let mut all = vec![0.0; places * places];
        for one in 0..places {
            for other in one..places {
                let lengths = (lengths[one] * lengths[other]).max(LENGTH_FLOOR);
                let cosine = dot(&rows[one], &rows[other]) / lengths;
                all[one * places + other] = cosine;
                all[other * places + one] = cosine;
            }
        }
        all
    }
}

/// How far the layouts of two pictures are from each other: the mean squared difference of which places are alike
/// (Tumanyan et al. 2022, <https://arxiv.org/abs/2201.00424>, whose features are the keys of DINO's last layer).
///
/// What the places look like does not count, only which of them look like each other.
///
/// # Panics
/// When the features are of another number of places.
pub fn structure_distance(a: &Features, b: &Features) -> f64 {
    assert_eq!(a.places(), b.places(), "layouts of as many places");
    let [a, b] = [a.similarities(), b.similarities()];
    let squares = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>() / a.len() as f64
}
