//! Pictures that look the same through an operator: known parts, blurred, made small, their colour, their edges.

use crate::{
    error::{Error, Result},
    guidance::universal::Guide,
    tensor::{Conv, Interpolation, Pooling, Tensor, Unary},
};

/// Guides compare pictures in [-1, 1], as the published operators do, whose strengths are chosen for that.
const SIGNED: f64 = 4.0;
/// Added under the root of an edge's strength, where it would have no slope.
const EDGE_EPS: f64 = 1e-4;
/// Shares of red, green and blue in what the eye takes for brightness (ITU-R BT.601).
const BRIGHTNESS: [f32; 3] = [0.299, 0.587, 0.114];

/// What of a picture is compared.
#[derive(Clone, Debug)]
pub enum Operator {
    /// The pixels where the mask is 1: inpainting fills the rest. `[1, H, W, 1]`
    Known(Tensor),
    /// The picture blurred by a Gaussian, mirrored at the border.
    Blurred {
        /// Taps, an odd number.
        kernel: usize,
        /// Standard deviation in pixels.
        sigma: f64,
    },
    /// The picture shrunk by this factor: super-resolution invents the rest.
    Shrunk(usize),
    /// The mean colour, where the mask is 1, `[1, H, W, 1]`.
    Colour(Tensor),
    /// The strength of the edges (Sobel's operator on the brightness).
    Edges,
}

impl Operator {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Known(_) => "inpaint",
            Self::Blurred { .. } => "blur",
            Self::Shrunk(_) => "enlarge",
            Self::Colour(_) => "colour",
            Self::Edges => "edges",
        }
    }

    /// What is to be compared of a picture.
    ///
    /// # Shapes
    /// - `image`: `[B, H, W, 3]`
    ///
    /// # Errors
    /// When the picture does not fit.
    pub fn see(&self, image: &Tensor) -> Result<Tensor> {
        let [_, h, w, _] = image.dims();
        match self {
            Self::Known(mask) => {
                same_size(mask, image)?;
                Ok(image.mul(mask))
            }
            Self::Blurred { kernel, sigma } => {
                if *kernel / 2 >= h.min(w) {
                    return Err(Error::Request(format!(
                        "a blur of {kernel} pixels does not fit in a picture of {w}x{h}: use a smaller one"
                    )));
                }
                Ok(image.gaussian_blur(*kernel, *sigma))
            }
            Self::Shrunk(factor) => {
                if *factor == 0 || !h.is_multiple_of(*factor) || !w.is_multiple_of(*factor) {
                    return Err(Error::Request(format!(
                        "a picture of {w}x{h} cannot be shrunk {factor} times: both sides must be multiples of that"
                    )));
                }
                let window = [*factor; 2];
                Ok(image.pool(Pooling::Mean, window, window, [0; 4]))
            }
            Self::Colour(mask) => {
                same_size(mask, image)?;
                let sum = image.mul(mask).mean(&[1, 2]);
                Ok(sum.div(&mask.mean(&[1, 2])))
            }
            Self::Edges => Ok(edges(image)),
        }
    }

    /// How many times smaller a mean over everything is than one over what counts.
    fn share(&self) -> Option<Tensor> {
        match self {
            Self::Known(mask) => Some(mask.mean(&[1, 2, 3])),
            _ => None,
        }
    }
}

fn same_size(mask: &Tensor, image: &Tensor) -> Result<()> {
    let [[_, tall, wide, _], [_, h, w, _]] = [mask, image].map(Tensor::dims);
    if [tall, wide] == [h, w] {
        return Ok(());
    }
    Err(Error::Request(format!(
        "the mask is {wide}x{tall} and the picture {w}x{h}: they must be of the same size"
    )))
}

/// `[B, H, W, 3]` to `[B, H, W, 1]`
fn edges(image: &Tensor) -> Tensor {
    let device = image.device();
    let shares = device.tensor([3, 1], BRIGHTNESS.to_vec());
    let brightness = image.matmul(&shares, None);
    let across: [f32; 9] = [-1.0, 0.0, 1.0, -2.0, 0.0, 2.0, -1.0, 0.0, 1.0];
    let both = (0..9).flat_map(|at| [across[at], across[at % 3 * 3 + at / 3]]);
    let sobel = device.tensor([3, 3, 1, 2], both.map(|x| x / 4.0).collect());
    let border = [0, 1, 1, 0];
    let framed = brightness.pad(&border, &border, crate::tensor::PadMode::Edge);
    let slopes = framed.conv2d(&sobel, None, Conv::padded(0));
    let steepness = slopes.unary(Unary::Square).sum(&[3]);
    steepness.affine(1.0, EDGE_EPS).unary(Unary::Sqrt)
}

/// Pulls towards pictures of which an operator sees what it saw of another.
pub struct Observation {
    operator: Operator,
    wanted: Tensor,
    share: Option<Tensor>,
    size: [usize; 2],
}

impl Observation {
    /// Towards this picture.
    ///
    /// # Shapes
    /// - `target`: `[1, H, W, 3]` in [0, 1]
    ///
    /// # Errors
    /// When the operator and the picture do not fit, or nothing of it is known.
    pub fn new(operator: Operator, target: &Tensor) -> Result<Self> {
        let [_, h, w, _] = target.dims();
        let wanted = operator.see(target)?.keep()?;
        let share = operator.share();
        Ok(Self {
            operator,
            wanted,
            share,
            size: [h, w],
        })
    }

    /// Towards this colour, where the mask is 1.
    ///
    /// # Shapes
    /// - `mask`: `[1, H, W, 1]`
    ///
    /// # Errors
    /// When the device has no room.
    pub fn colour(rgb: [f32; 3], mask: &Tensor) -> Result<Self> {
        let [_, h, w, _] = mask.dims();
        Ok(Self {
            wanted: mask.device().constant([1, 1, 1, 3], &rgb)?,
            operator: Operator::Colour(mask.clone()),
            share: None,
            size: [h, w],
        })
    }
}

impl Guide for Observation {
    fn name(&self) -> &str {
        self.operator.name()
    }

    /// The mean square of the difference, over what counts, of pictures in [-1, 1].
    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let [batch, h, w, _] = image.dims();
        if [h, w] != self.size {
            let [tall, wide] = self.size;
            return Err(Error::Request(format!(
                "the {} guide is for pictures of {wide}x{tall}, and this one is {w}x{h}",
                self.name()
            )));
        }
        let difference = self.operator.see(image)?.sub(&self.wanted);
        let mean = difference.unary(Unary::Square).mean(&[1, 2, 3]);
        let mean = match &self.share {
            Some(share) => mean.div(share),
            None => mean,
        };
        Ok(mean.affine(SIGNED, 0.0).reshape([batch]))
    }
}

/// A picture of another size, made to fit: enlarged or shrunk until it covers, then cut in the middle.
///
/// # Shapes
/// - `image`: `[1, h, w, C]`, returns `[1, size[0], size[1], C]`
pub fn covering(image: &Tensor, size: [usize; 2]) -> Tensor {
    let [_, h, w, _] = image.dims();
    let scale = (size[0] as f64 / h as f64).max(size[1] as f64 / w as f64);
    let larger = [(h, size[0]), (w, size[1])]
        .map(|(extent, least)| ((extent as f64 * scale).round() as usize).max(least));
    let image = image.resize(larger, Interpolation::Bilinear, true);
    let [top, left] = [0, 1].map(|axis| (larger[axis] - size[axis]) / 2);
    image
        .slice(1, top..top + size[0])
        .slice(2, left..left + size[1])
}
