//! What can be said of pictures in numbers: how far one is from another, whether its layout was kept, how sharp it is, and how well
//! it shows what a text says.
//!
//! Pictures are compared in RGB, each channel between 0 and 1, and sums are in f64.

mod difference;
mod judge;
mod mask;
mod pixels;
mod sharpness;
mod similarity;
mod structure;

pub use difference::{mse, psnr};
pub use judge::{Judge, Named, Opinion};
pub use mask::{Mask, Masking};
pub use sharpness::sharpness;
pub use similarity::{SSIM_WINDOW_PX, ssim};
pub use structure::{Features, structure_distance};
