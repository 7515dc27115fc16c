//! Every network, with drawn parameters.

use std::cell::RefCell;

use guidestar::{
    Result,
    models::{
        ClipText, Kind, Parameters, Random, Taesd, Unet, Vae,
        config::{ClipTextConfig, TaesdConfig, UnetConfig, VaeConfig},
        unet::{Block, NoTap, Tap},
    },
    tensor::{DType, Device, Tensor},
};

use super::{devices, fixture::Fixture, pass_limit, unet};

#[test]
fn clip_text_is_that_of_transformers() {
    let fixture = Fixture::read("clip_text");
    for device in devices() {
        let config = ClipTextConfig::tiny();
        let model = ClipText::new(&config, &mut Random::new(&device)).unwrap();
        let output = model.forward(&fixture.rows("ids"));
        fixture.check("output", &output, pass_limit(&device));
    }
}

/// Compares what each block hands on, in passing.
struct BlockCheck<'a> {
    fixture: &'a Fixture,
    seen: RefCell<Vec<String>>,
}

impl Tap for BlockCheck<'_> {
    fn block(&mut self, at: Block, h: Tensor) -> Tensor {
        let name = at.to_string();
        self.fixture.check(&name, &h, pass_limit(h.device()));
        self.seen.borrow_mut().push(name);
        h
    }
}

#[test]
fn every_block_of_the_unet_is_that_of_diffusers() {
    let fixture = Fixture::read("unet_blocks");
    for device in devices() {
        let mut tap = BlockCheck {
            fixture: &fixture,
            seen: RefCell::default(),
        };
        let x = fixture.tensor("x", &device);
        let context = fixture.tensor("context", &device);
        let output = unet(&device).forward(&x, &[801], &context, &mut tap);
        fixture.check("output", &output, pass_limit(&device));
        assert_eq!(tap.seen.borrow().len(), 9, "four blocks down, one, four up");
    }
}

#[test]
fn unet_rows_have_timesteps_of_their_own_and_any_size() {
    let fixture = Fixture::read("unet_rows");
    for device in devices() {
        let t: Vec<_> = fixture.rows("t")[0].iter().map(|&t| t as usize).collect();
        let x = fixture.tensor("x", &device);
        let context = fixture.tensor("context", &device);
        let output = unet(&device).forward(&x, &t, &context, &mut NoTap);
        fixture.check("output", &output, pass_limit(&device));
    }
}

#[test]
fn vae_is_that_of_diffusers_both_ways() {
    let fixture = Fixture::read("vae");
    for device in devices() {
        let limit = pass_limit(&device);
        let model = Vae::new(&VaeConfig::tiny(), &mut Random::new(&device)).unwrap();
        let posterior = model.encode(&fixture.tensor("image", &device));
        fixture.check("mean", &posterior.mean, limit);
        fixture.check("logvar", &posterior.logvar, limit);
        let decoded = model.decode(&fixture.tensor("latents", &device));
        fixture.check("decoded", &decoded, limit);
    }
}

fn taesd_is(name: &str, config: &TaesdConfig) {
    let fixture = Fixture::read(name);
    for device in devices() {
        let limit = pass_limit(&device);
        let model = Taesd::new(config, &mut Random::new(&device)).expect("a drawn network");
        let encoded = model.encode(&fixture.tensor("image", &device));
        fixture.check("encoded", &encoded, limit);
        let decoded = model.decode(&fixture.tensor("latents", &device));
        fixture.check("decoded", &decoded, limit);
    }
}

#[test]
fn taesd_is_that_of_diffusers_both_ways() {
    taesd_is("taesd", &TaesdConfig::tiny());
}

#[test]
fn taesd_with_norms_inside_is_that_of_its_author_both_ways() {
    taesd_is("taesd_pooled", &TaesdConfig::taef2());
}

/// Drawn parameters, all but the norms' scales divided by 64: variances come down to where the norms' eps shows.
struct Faint(Random);

impl Parameters for Faint {
    fn device(&self) -> &Device {
        self.0.device()
    }

    fn take(&mut self, name: &str, kind: Kind) -> Result<Tensor> {
        let drawn = self.0.take(name, kind)?;
        if matches!(kind, Kind::Vector(_)) && name.ends_with("weight") {
            return Ok(drawn);
        }
        drawn.affine(1.0 / 64.0, 0.0).keep()
    }
}

#[test]
fn every_norm_has_the_eps_of_its_reference() {
    let fixture = Fixture::read("faint");
    for device in devices() {
        // So small parameters lose digits in f16, where eps is the same constant anyway.
        if device.dtype() == DType::F16 {
            continue;
        }
        let limit = pass_limit(&device);
        let mut faint = Faint(Random::new(&device));
        let input = |key| fixture.tensor(key, &device);

        let text = ClipText::new(&ClipTextConfig::tiny(), &mut faint).unwrap();
        fixture.check("text", &text.forward(&fixture.rows("ids")), limit);
        let unet = Unet::new(&UnetConfig::tiny(), &mut faint).unwrap();
        let eps = unet.forward(&input("x"), &[801], &input("context"), &mut NoTap);
        fixture.check("eps", &eps, limit);
        let vae = Vae::new(&VaeConfig::tiny(), &mut faint).unwrap();
        fixture.check("mean", &vae.encode(&input("image")).mean, limit);
        fixture.check("decoded", &vae.decode(&input("latents")), limit);
        let taesd = Taesd::new(&TaesdConfig::taef2(), &mut faint).unwrap();
        fixture.check("pooled", &taesd.encode(&input("image")), limit);
    }
}
