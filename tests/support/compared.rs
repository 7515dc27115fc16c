//! Where results are computed, and how they are compared.

use guidestar::tensor::{Device, Tensor};

/// The processor.
pub fn device() -> Device {
    Device::cpu().expect("a processor is always there")
}

/// The elements of a tensor.
pub fn read(tensor: &Tensor) -> Vec<f32> {
    pollster::block_on(tensor.read()).expect("the device computes")
}

/// `sum (a-b)^2 / sum b^2`.
pub fn nmse(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f32| f64::from(x).powi(2);
    let error: f64 = found.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    error / expected.iter().map(|&b| square(b)).sum::<f64>()
}
