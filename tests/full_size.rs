//! Stable Diffusion 1.5 at full size, planned for the least that WebGPU guarantees. Nothing is computed.

use guidestar::{
    engine::wgsl::{
        planner,
        step::{Limits, Storage},
    },
    error::Result,
    models::{
        Autoencoder, ClipText, Kind, Parameters, Unet,
        config::{AutoencoderConfig, ClipTextConfig, UnetConfig},
        unet::NoTap,
    },
    tensor::{Device, Footprint, Tensor},
};

const MIB: u64 = 1 << 20;

/// Parameters of the right shapes and nothing in them.
struct Shapes(Device);

impl Parameters for Shapes {
    fn device(&self) -> &Device {
        &self.0
    }

    fn take(&mut self, _: &str, kind: Kind) -> Result<Tensor> {
        let uploaded = self.0.upload(kind.uploaded())?.finish()?;
        // Laying it out is planned too, so that a step which no binding holds is found here.
        self.0.footprint(&[&kind.arranged(&uploaded)]);
        kind.arrange(&uploaded)
    }
}

/// What every WebGPU device has at least.
fn floor(storage: Storage, software: bool) -> Limits {
    Limits {
        storage,
        software,
        binding_bytes: 128 * MIB,
        buffer_bytes: 256 * MIB,
        workgroup_bytes: 16 << 10,
        invocations: 256,
        storage_buffers: 8,
        workgroups: 65535,
    }
}

fn blank(device: &Device, shape: [usize; 4]) -> Tensor {
    device.tensor(shape, vec![0.0; shape.iter().product()])
}

/// What one guided pass of the U-Net takes.
fn unet(storage: Storage, software: bool) -> Footprint {
    let device = Device::new(planner(floor(storage, software)));
    let unet = Unet::new(&UnetConfig::sd15(), &mut Shapes(device.clone()));
    let unet = unet.expect("every parameter has the shape asked for");
    let x = blank(&device, [2, 64, 64, 4]);
    let context = device.tensor([2, 77, 768], vec![0.0; 2 * 77 * 768]);
    let eps = unet.forward(&x, &[801], &context, &mut NoTap);
    device.footprint(&[&eps])
}

#[test]
fn a_guided_pass_at_512_pixels_fits_the_smallest_devices() {
    for (storage, most) in [
        (Storage::F16, 80),
        (Storage::PackedF16, 80),
        (Storage::F32, 160),
    ] {
        for software in [false, true] {
            let footprint = unet(storage, software);
            let parameters = 859_520_964 * storage.dtype().bytes();
            let held = footprint.constant_bytes;
            // The output's 4 channels and few others are padded to quads.
            assert!(held >= parameters && held < parameters + MIB, "{held}");
            let taken = footprint.intermediate_bytes / MIB;
            println!("pass, {storage:?}: {taken} MiB");
            assert!(taken <= most, "{storage:?}: {taken} MiB");
        }
    }
}

#[test]
fn decoding_and_encoding_at_512_pixels_fit_the_smallest_devices() {
    for (storage, most) in [(Storage::F16, 380), (Storage::F32, 760)] {
        let device = Device::new(planner(floor(storage, false)));
        let config = AutoencoderConfig::sd15();
        let vae = Autoencoder::new(&config, &mut Shapes(device.clone())).unwrap();
        let image = vae.decode(&blank(&device, [1, 64, 64, 4]));
        let latents = vae.encode(&blank(&device, [1, 512, 512, 3]));
        for result in [image, latents] {
            let taken = device.footprint(&[&result]).intermediate_bytes / MIB;
            println!("autoencoder, {storage:?}: {taken} MiB");
            assert!(taken > 0 && taken <= most, "{storage:?}: {taken} MiB");
        }
    }
}

#[test]
fn the_text_encoder_fits_the_smallest_devices() {
    for storage in [Storage::F16, Storage::F32] {
        let device = Device::new(planner(floor(storage, false)));
        let config = ClipTextConfig::sd15();
        let text = ClipText::new(&config, &mut Shapes(device.clone())).unwrap();
        let context = text.forward(&[vec![49406; 77], vec![49407; 77]]);
        let taken = device.footprint(&[&context]).intermediate_bytes / MIB;
        assert!(taken > 0 && taken < 20, "{storage:?}: {taken} MiB");
    }
}
