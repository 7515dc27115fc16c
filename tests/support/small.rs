//! The small U-Net, what is drawn for it, and how results are compared.

use guidestar::{
    models::{Random, Unet, config::UnetConfig},
    tensor::{Device, Tensor},
};

/// The processor.
pub fn device() -> Device {
    Device::cpu().expect("a processor is always there")
}

/// A U-Net of the real topology with few channels and drawn weights.
pub fn unet(device: &Device) -> Unet {
    Unet::new(&UnetConfig::tiny(), &mut Random::new(device)).expect("a drawn network is complete")
}

/// Numbers that differ from place to place, between -1 and 1.
pub fn wave<const RANK: usize>(device: &Device, shape: [usize; RANK], pace: f32) -> Tensor {
    let count = shape.iter().product();
    let numbers = (0..count).map(|i| (i as f32 * pace).sin()).collect();
    device.tensor(shape, numbers)
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
