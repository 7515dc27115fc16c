//! Networks that understand the default model's pictures, for guides to pull with and for tests to measure by.
//!
//! [`Eyes`] see what is in a picture: [`Seen::logits`] names it, [`Seen::mask`] cuts it out, [`Seen::heat`] and [`Seen::boxes`] find
//! it, [`Seen::embedding`] compares it with a text that went through a [`TextTower`] (or, where [`Eyes`] were trained so, with another
//! portrait), and [`Seen::stages`] are features whose
//! statistics are its style. All of it is differentiable with respect to the picture.
//!
//! ```
//! use guidestar::{models::guides::Question, tensor::Device, weights::guides};
//!
//! # fn main() -> guidestar::Result<()> {
//! let device = Device::cpu()?;
//! let eyes = pollster::block_on(guides::eyes(&guides::files(), "eyes", &device))?;
//! let white = device.tensor([1, 128, 128, 3], vec![1.0; 128 * 128 * 3]);
//! let colours = pollster::block_on(eyes.look(&white).logits(Question::Colour).read())?;
//! let best = (0..colours.len()).max_by(|&a, &b| colours[a].total_cmp(&colours[b]));
//! assert_eq!(eyes.names(Question::Colour)[best.unwrap()], "white");
//! # Ok(())
//! # }
//! ```

mod detections;
mod eyes;
mod text_tower;

pub use detections::{Detection, detections};
pub use eyes::{Eyes, Question, SIZE_PX, Seen};
pub use text_tower::TextTower;

use crate::tensor::{Tensor, Unary};

/// Added to a squared length before its root, so that nothing is divided by 0.
const LENGTH_EPS: f64 = 1e-12;

/// Each row along the last axis, as long as 1.
fn unit(x: &Tensor) -> Tensor {
    let axis = x.shape().len() - 1;
    let squared = x.unary(Unary::Square).sum(&[axis]).affine(1.0, LENGTH_EPS);
    x.div(&squared.unary(Unary::Sqrt))
}
