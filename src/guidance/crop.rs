//! Parts of a picture, in another size or from a little elsewhere.

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

/// A picture as it looks from a little elsewhere: the same ones each time it is asked for, spread evenly.
///
/// `sway` is how far it moves at most, as a share of width and height; it comes as much nearer or goes as much farther.
///
/// # Shapes
/// - `image` and what is returned: `[B, H, W, 3]`
pub fn view(image: &Tensor, look: usize, sway: f32) -> Tensor {
    // The additive recurrence with the least discrepancy known in three dimensions: powers of the inverse of the real root of
    // x^4 = x + 1 (Roberts 2018, <https://extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences/>).
    const STEPS: [f32; 3] = [0.819_172_5, 0.671_043_6, 0.549_700_5];
    let [across, down, nearer] = STEPS.map(|step| 2.0 * (look as f32 * step).fract() - 1.0);
    // The first view is from the middle.
    let [across, down, nearer] = if look == 0 {
        [0.0; 3]
    } else {
        [across, down, nearer]
    };
    let [_, height, width, _] = image.dims();
    let side = 1.0 + sway * nearer;
    let from = |at: f32| sway * at + (1.0 - side) / 2.0;
    let seen = Crop {
        left: from(across) * width as f32,
        top: from(down) * height as f32,
        sides: [width, height].map(|extent| side * extent as f32),
    };
    seen.cut(image, [width, height])
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
    fn the_first_view_is_the_picture_and_others_are_near_it() {
        let device = Device::cpu().unwrap();
        let numbers = (0..16 * 12 * 3).map(|at| at as f32 / 576.0).collect();
        let image = device.tensor([1, 16, 12, 3], numbers);
        let off = |look: usize| {
            let view = read(&view(&image, look, 0.1));
            let pairs = view.into_iter().zip(read(&image));
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        assert!(off(0) < 1e-6);
        // A picture that brightens from its top by 1 to its bottom moves by at most a tenth, and is stretched as much.
        assert!((1..8).all(|look| off(look) > 1e-3 && off(look) < 0.2));
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
