//! The lazy engine's plans: what is fused, planned and replayed is what would have come out node by node.

use guidestar::tensor::{Device, GpuOptions, Precision};

fn device(precision: Precision) -> Device {
    let options = GpuOptions {
        precision,
        ..GpuOptions::default()
    };
    pollster::block_on(Device::gpu(options))
        .expect("a GPU, or mesa-vulkan-drivers for one in software")
}

#[test]
fn what_was_uploaded_comes_back() {
    for precision in [Precision::F32, Precision::F16] {
        let device = device(precision);
        let elements: Vec<f32> = (0..3 * 6).map(|i| i as f32 / 8.0).collect();
        let constant = device.constant([3, 6], &elements).unwrap();
        let viewed = constant.reshape([1, 3, 6]);
        assert_eq!(pollster::block_on(viewed.read()).unwrap(), elements);
        let input = device.tensor([3, 6], elements.clone()).reshape([1, 3, 6]);
        assert_eq!(pollster::block_on(input.read()).unwrap(), elements);
    }
}
