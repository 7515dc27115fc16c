//! A part of a picture in a network's size.

use crate::tensor::Tensor;

/// An upright rectangle in pixels, which may reach beyond the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    pub left: f32,
    pub top: f32,
    /// Width and height.
    pub sides: [f32; 2],
}

impl Crop {
    /// The square in the middle whose sides are this share of the picture's shorter one.
    pub fn middle([width, height]: [usize; 2], share: f32) -> Self {
        let side = width.min(height) as f32 * share;
        Self {
            left: (width as f32 - side) / 2.0,
            top: (height as f32 - side) / 2.0,
            sides: [side; 2],
        }
    }

    /// Cuts it out, and brings it to width and height `size`; the border is repeated where it reaches beyond.
    ///
    /// A matrix along each axis says what every pixel is made of. It enters as numbers and not as a shape, so that crops
    /// at other places are one plan.
    ///
    /// # Shapes
    /// - `image`: `[B, H, W, 3]`
    /// - returns `[B, size[1], size[0], 3]`
    pub fn cut(self, image: &Tensor, size: [usize; 2]) -> Tensor {
        let [_, height, width, _] = image.dims();
        let device = image.device();
        let across = shares(self.left, self.sides[0], width, size[0]);
        let down = shares(self.top, self.sides[1], height, size[1]);
        let across = device.tensor([width, size[0]], across);
        let down = device.tensor([height, size[1]], down);
        let rows = image.permute(&[0, 1, 3, 2]).matmul(&across, None);
        let columns = rows.permute(&[0, 2, 3, 1]).matmul(&down, None);
        columns.permute(&[0, 3, 2, 1])
    }
}

/// What share each of `extent` pixels has in each of `count` that cover `side` pixels from `from` on, `[extent, count]`: a
/// triangle as wide as the coarser of both grids.
fn shares(from: f32, side: f32, extent: usize, count: usize) -> Vec<f32> {
    let scale = side / count as f32;
    let reach = scale.max(1.0);
    let mut shares = vec![0.0; extent * count];
    for out in 0..count {
        let middle = from + (out as f32 + 0.5) * scale - 0.5;
        let taps = (middle - reach).ceil() as i64..=(middle + reach).floor() as i64;
        let weight = |tap: i64| (1.0 - (tap as f32 - middle).abs() / reach).max(0.0);
        let sum: f32 = taps.clone().map(weight).sum();
        for tap in taps {
            let inside = tap.clamp(0, extent as i64 - 1) as usize;
            shares[inside * count + out] += weight(tap) / sum;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Device, Interpolation};

    fn read(tensor: &Tensor) -> Vec<f32> {
        pollster::block_on(tensor.read()).unwrap()
    }

    #[test]
    fn the_whole_picture_cut_out_is_the_picture_resized() {
        let device = Device::cpu().unwrap();
        let numbers = (0..13 * 13 * 3).map(|at| (at * 37 % 101) as f32 / 101.0);
        let image = device.tensor([1, 13, 13, 3], numbers.collect());
        let whole = Crop::middle([13, 13], 1.0);
        for size in [5, 13, 20] {
            let cut = read(&whole.cut(&image, [size, size]));
            let resized = read(&image.resize([size; 2], Interpolation::Bilinear, true));
            // Resizing leaves out what is beyond the border; a crop repeats the border there.
            let inner = |at: &usize| {
                let [y, x] = [at / 3 / size, at / 3 % size];
                (2..size - 2).contains(&y) && (2..size - 2).contains(&x)
            };
            let off = (0..cut.len())
                .filter(inner)
                .map(|at| (cut[at] - resized[at]).abs())
                .fold(0.0, f32::max);
            assert!(off < 1e-5, "{size}: {off}");
        }
    }

    #[test]
    fn beyond_the_border_the_border_is_repeated() {
        let device = Device::cpu().unwrap();
        let image = device.tensor([1, 2, 2, 1], vec![1.0, 2.0, 3.0, 4.0]);
        let square = Crop {
            left: -2.0,
            top: 0.0,
            sides: [4.0; 2],
        };
        let cut = read(&square.cut(&image, [4, 4]));
        assert_eq!(cut[..4], [1.0, 1.0, 1.0, 2.0]);
        assert_eq!(cut[12..], [3.0, 3.0, 3.0, 4.0]);
    }
}
