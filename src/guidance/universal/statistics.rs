//! Numbers of each row that the host decides by.

use crate::tensor::{Tensor, Unary};

/// Below this all is nothing, in f16 too.
const LEAST: f32 = 1e-6;

/// The root mean square of each row, `[B]`: in units of the greatest element, so that no square leaves f16.
pub fn sizes(x: &Tensor) -> Tensor {
    let [batch, ..] = x.dims::<4>();
    let axes = [1, 2, 3];
    let least = x.device().tensor([1, 1, 1, 1], vec![LEAST]);
    let greatest = x.unary(Unary::Abs).greatest(&axes).max(&least);
    let unit = x.div(&greatest).unary(Unary::Square).mean(&axes);
    unit.unary(Unary::Sqrt).mul(&greatest).reshape([batch])
}

/// Rows `[B]` of numbers, read together.
pub async fn read(rows: &[&Tensor]) -> crate::error::Result<Vec<Vec<f32>>> {
    let [batch] = rows[0].dims();
    let together = Tensor::concat(rows, 0).read().await?;
    Ok(together.chunks(batch).map(<[f32]>::to_vec).collect())
}

/// A number for each row, to multiply latents by.
pub fn factors(x: &Tensor, numbers: &[f64]) -> Tensor {
    let numbers: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
    x.device().tensor([numbers.len(), 1, 1, 1], numbers)
}
