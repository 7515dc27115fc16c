//! Guidance whose spread is that of the prompt's prediction (Lin et al. 2023, <https://arxiv.org/abs/2305.08891>, section 3.4).

use crate::tensor::{Tensor, Unary};

/// `share * guided * std(cond) / std(guided) + (1 - share) * guided`, the deviations over everything but the batch.
///
/// # Shapes
/// - `guided`, `cond`: `[B, h, w, C]`, also returned
pub(super) fn rescale(guided: &Tensor, cond: &Tensor, share: f64) -> Tensor {
    // The same number of elements in both: the correction for a sample's deviation cancels out.
    let ratio = variance(cond).div(&variance(guided)).unary(Unary::Sqrt);
    guided.mul(&ratio.affine(share, 1.0 - share))
}

/// `[B, 1, 1, 1]`
fn variance(x: &Tensor) -> Tensor {
    let middle = x.mean(&[1, 2, 3]);
    x.sub(&middle).unary(Unary::Square).mean(&[1, 2, 3])
}
