//! Where in a picture there is something, told without a network: where it differs from its border.

use std::cell::RefCell;

use super::cutout::shared;
use crate::{
    error::{Error, Result},
    guidance::universal::Guide,
    tensor::{LocalFuture, Tensor},
};

/// The share of width and height that counts as border.
const BORDER: f32 = 1.0 / 32.0;
/// How far a colour is from the border's that is something else: of the 1.7 between black and white.
const DIFFERENT: f32 = 0.2;

/// Judges shapes on calm backgrounds: whatever is not of the border's colour is foreground.
///
/// It guides nothing: there is no slope in it.
pub struct Contrast {
    /// 1 where the foreground is to be, `[1, H, W, 1]`
    wanted: Tensor,
    /// The foreground of the pictures that were prepared.
    found: RefCell<Option<Tensor>>,
}

impl Contrast {
    /// Judges by a mask, `[1, H, W, 1]` in [0, 1], of the size of the pictures.
    pub fn new(mask: &Tensor) -> Self {
        Self {
            wanted: mask.clone(),
            found: RefCell::default(),
        }
    }
}

impl Guide for Contrast {
    fn name(&self) -> &'static str {
        "contrast"
    }

    fn prepare<'a>(&'a self, image: &'a Tensor) -> LocalFuture<'a, Result<usize>> {
        Box::pin(async move {
            let [batch, h, w, _] = image.dims();
            let pixels = image.read().await?;
            let rows = pixels.chunks(h * w * 3);
            let found = rows.flat_map(|row| foreground(row, [h, w])).collect();
            self.found
                .replace(Some(image.device().tensor([batch, h, w, 1], found)));
            Ok(0)
        })
    }

    /// What is left of 1 by the score.
    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        Ok(self.score(image)?.affine(-1.0, 1.0))
    }

    /// Intersection over union, 0 to 1.
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        let found = self.found.take().ok_or_else(|| {
            Error::Request("pictures are to be prepared before their shapes are judged".to_owned())
        })?;
        if found.dims::<4>()[1..3] != self.wanted.dims::<4>()[1..3] {
            return Err(Error::Request(
                "the mask and the picture must be of the same size".to_owned(),
            ));
        }
        Ok(shared(&found, &self.wanted).reshape([image.shape()[0]]))
    }
}

/// 1 for each pixel of a row `[h, w, 3]` that differs from the middle colour of its border.
fn foreground(row: &[f32], [h, w]: [usize; 2]) -> Vec<f32> {
    let pixels = row.as_chunks::<3>().0;
    let edge = [h, w].map(|extent| ((extent as f32 * BORDER).round() as usize).max(1));
    let is_border = |at: usize| {
        let [y, x] = [at / w, at % w];
        y < edge[0] || y + edge[0] >= h || x < edge[1] || x + edge[1] >= w
    };
    let middle = [0, 1, 2].map(|channel| {
        let border = pixels.iter().enumerate().filter(|(at, _)| is_border(*at));
        let mut values: Vec<f32> = border.map(|(_, pixel)| pixel[channel]).collect();
        values.sort_by(f32::total_cmp);
        values[values.len() / 2]
    });
    let differs = |pixel: &[f32; 3]| {
        let squares = pixel.iter().zip(middle).map(|(a, b)| (a - b).powi(2));
        f32::from(u8::from(squares.sum::<f32>().sqrt() > DIFFERENT))
    };
    pixels.iter().map(differs).collect()
}
