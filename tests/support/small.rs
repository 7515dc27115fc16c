//! The small U-Net, and what is drawn for it.

use guidestar::{
    models::{Random, Unet, config::UnetConfig},
    tensor::{Device, Tensor},
};

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
