//! Gradients of whole networks: the same whether numbers are kept or computed again, and in less memory.

use guidestar::{
    engine::wgsl::{
        planner,
        step::{Limits, Storage},
    },
    models::{
        Autoencoder, Parameters, Random, Recorder, Unet,
        config::{AutoencoderConfig, TaesdConfig, UnetConfig, VaeConfig},
        unet::NoTap,
    },
    tensor::{Device, Footprint, Keep, Tensor},
};

use crate::{devices_once, read};

const GIB: u64 = 1 << 30;

/// The noise that a U-Net sees at both rows of latents, and the picture behind what is left without it.
struct Networks {
    unet: Unet,
    autoencoder: Autoencoder,
    context: Tensor,
}

impl Networks {
    fn new(unet: &UnetConfig, autoencoder: &AutoencoderConfig, from: &mut dyn Parameters) -> Self {
        let width = unet.cross_attention_dim;
        let waves = (0..2 * 77 * width).map(|at| (at as f32 * 0.37).sin());
        let context = from.device().tensor([2, 77, width], waves.collect());
        Self {
            unet: Unet::new(unet, from).expect("the network is complete"),
            autoencoder: Autoencoder::new(autoencoder, from).expect("the network is complete"),
            context,
        }
    }

    /// The gradient of the mean square of the decoded picture with respect to the latents.
    fn gradient(&self, x: &Tensor, keep: Keep) -> Tensor {
        let x = x.tracked(keep);
        let twice = Tensor::concat(&[&x, &x], 0);
        let output = self.unet.forward(&twice, &[601], &self.context, &mut NoTap);
        let eps = output.rows(0..1).mix(-0.5, &output.rows(1..2), 1.5);
        let image = self.autoencoder.decode(&x.mix(1.2, &eps, -0.6));
        let loss = image.mul(&image).mean(&[0, 1, 2, 3]);
        let gradient = loss.gradient(&[&x], 1.0).expect("every rule is known");
        gradient[0].clone()
    }
}

fn latents(device: &Device, side: usize) -> Tensor {
    let waves = (0..side * side * 4).map(|at| (at as f32 * 0.73).sin());
    device.tensor([1, side, side, 4], waves.collect())
}

fn tiny(device: &Device, autoencoder: &AutoencoderConfig) -> Networks {
    Networks::new(&UnetConfig::tiny(), autoencoder, &mut Random::new(device))
}

#[test]
fn what_is_computed_again_gives_the_same_gradient() {
    for autoencoder in [
        AutoencoderConfig::Kl(VaeConfig::tiny()),
        AutoencoderConfig::Tiny(TaesdConfig::tiny()),
    ] {
        let (_, device, _) = &devices_once()[0];
        let networks = tiny(device, &autoencoder);
        let x = latents(device, 8);
        let [kept, again] = [Keep::All, Keep::Milestones].map(|keep| networks.gradient(&x, keep));
        assert_eq!(read(&kept), read(&again));
    }
}

/// What a gradient of Stable Diffusion 1.5 at 512 pixels takes on a device that plans in f16 and has room for anything.
fn planned(keep: Keep) -> Footprint {
    let device = Device::new(planner(Limits {
        storage: Storage::F16,
        software: false,
        binding_bytes: 1 << 31,
        buffer_bytes: 1 << 33,
        workgroup_bytes: 32 << 10,
        invocations: 256,
        storage_buffers: 8,
        workgroups: 65_535,
    }));
    let networks = Recorder::build_on(&device, |parameters| {
        let autoencoder = AutoencoderConfig::sd15();
        Ok(Networks::new(&UnetConfig::sd15(), &autoencoder, parameters))
    });
    let networks = networks.expect("every parameter has the shape asked for");
    device.footprint(&[&networks.gradient(&latents(&device, 64), keep)])
}

#[test]
fn milestones_take_less_than_half_of_the_planned_peak() {
    let peak = |keep| planned(keep).intermediate_bytes;
    let [all, milestones] = [Keep::All, Keep::Milestones].map(peak);
    eprintln!("all {} MiB, milestones {} MiB", all >> 20, milestones >> 20);
    assert!(2 * milestones < all, "{milestones} bytes against {all}");
}

#[test]
fn a_full_size_gradient_step_fits_in_16_gib() {
    let footprint = planned(Keep::Milestones);
    let bytes = footprint.constant_bytes + footprint.intermediate_bytes;
    eprintln!("{footprint:?}: {} MiB in all", bytes >> 20);
    assert!(bytes < 16 * GIB, "{bytes} bytes");
}
