//! What must hold of taps and of classifier-free guidance, whatever the weights.

#[path = "support/compared.rs"]
mod compared;
#[path = "support/small.rs"]
mod small;

use std::{collections::HashMap, rc::Rc};

use guidestar::{
    diffusion::{Level, schedule::PredictionType},
    guidance::{Cfg, Denoiser, eps_from_output},
    models::unet::{Block, NoTap, Part, Qkv, Site, Tap},
    tensor::{Device, Tensor},
};

use compared::{device, nmse, read};
use small::{unet, wave};

const AT: Level = Level {
    alphas_cumprod: 0.3,
    t: 480,
};

/// Latents of two pictures and their contexts.
fn inputs(device: &Device) -> [Tensor; 2] {
    [
        wave(device, [2, 8, 8, 4], 0.37),
        wave(device, [2, 77, 32], 0.11),
    ]
}

/// Notes every site, and what it saw there.
#[derive(Default)]
struct Record {
    hidden: HashMap<Site, Tensor>,
    qkv: HashMap<Site, Qkv>,
    blocks: Vec<Block>,
}

impl Tap for Record {
    fn hidden(&mut self, at: Site, h: Tensor) -> Tensor {
        self.hidden.insert(at, h.clone());
        h
    }

    fn qkv(&mut self, at: Site, qkv: Qkv) -> Qkv {
        self.qkv.insert(at, qkv.clone());
        qkv
    }

    fn block(&mut self, at: Block, h: Tensor) -> Tensor {
        self.blocks.push(at);
        h
    }
}

/// Puts back what was recorded.
struct Inject<'a>(&'a Record);

impl Tap for Inject<'_> {
    fn hidden(&mut self, at: Site, _: Tensor) -> Tensor {
        self.0.hidden[&at].clone()
    }

    fn qkv(&mut self, at: Site, _: Qkv) -> Qkv {
        self.0.qkv[&at].clone()
    }
}

/// Asks for the weights of every attention, and counts them.
#[derive(Default)]
struct Probs(usize);

impl Tap for Probs {
    fn wants_probs(&self, _: Site) -> bool {
        true
    }

    fn probs(&mut self, _: Site, p: Tensor) -> Tensor {
        self.0 += 1;
        p
    }
}

/// Multiplies what one site computes.
struct Scale(Site, f64);

impl Tap for Scale {
    fn hidden(&mut self, at: Site, h: Tensor) -> Tensor {
        if at == self.0 {
            h.affine(self.1, 0.0)
        } else {
            h
        }
    }
}

const PNP_SITE: Site = Site {
    block: Block::Up(1),
    layer: 1,
    part: Part::Resnet,
};

#[test]
fn a_tap_that_only_listens_hears_every_site_and_changes_nothing() {
    let device = device();
    let (unet, [x, context]) = (unet(&device), inputs(&device));
    let alone = read(&unet.forward(&x, &[480], &context, &mut NoTap));
    let mut tap = Record::default();
    assert_eq!(read(&unet.forward(&x, &[480], &context, &mut tap)), alone);
    // Stable Diffusion 1.x has 22 residual blocks and 16 transformers.
    assert_eq!(tap.hidden.len(), 22);
    assert_eq!(tap.qkv.len(), 32);
    assert_eq!(tap.blocks.len(), 9);
    let site = "up_blocks.1.attentions.2.transformer_blocks.0.attn1";
    assert!(tap.qkv.keys().any(|found| found.to_string() == site));
    assert!(tap.hidden.contains_key(&PNP_SITE));
}

#[test]
fn injecting_what_was_recorded_is_the_identity() {
    let device = device();
    let (unet, [x, context]) = (unet(&device), inputs(&device));
    let mut record = Record::default();
    let first = read(&unet.forward(&x, &[480], &context, &mut record));
    let again = unet.forward(&x, &[480], &context, &mut Inject(&record));
    assert_eq!(read(&again), first);
}

#[test]
fn injecting_from_another_picture_changes_the_prediction() {
    let device = device();
    let (unet, [x, context]) = (unet(&device), inputs(&device));
    let mut record = Record::default();
    unet.forward(&x, &[480], &context, &mut record);
    let other = wave(&device, [2, 8, 8, 4], 0.73);
    let plain = read(&unet.forward(&other, &[480], &context, &mut NoTap));
    let injected = unet.forward(&other, &[480], &context, &mut Inject(&record));
    assert!(nmse(&read(&injected), &plain) > 1e-3);
}

#[test]
fn explicit_probabilities_are_fused_attention() {
    let device = device();
    let (unet, [x, context]) = (unet(&device), inputs(&device));
    let fused = read(&unet.forward(&x, &[480], &context, &mut NoTap));
    let mut tap = Probs::default();
    let explicit = read(&unet.forward(&x, &[480], &context, &mut tap));
    assert_eq!(tap.0, 32);
    let error = nmse(&explicit, &fused);
    assert!(error < 1e-9, "nmse {error:.1e}");
}

#[test]
fn taps_compose_in_order() {
    let device = device();
    let (unet, [x, context]) = (unet(&device), inputs(&device));
    let forward = |tap: &mut dyn Tap| read(&unet.forward(&x, &[480], &context, tap));
    let plain = forward(&mut NoTap);
    let doubled = forward(&mut Scale(PNP_SITE, 2.0));
    assert!(nmse(&doubled, &plain) > 1e-6, "the tap was not heard");
    // Powers of two are exact, so that two taps must undo each other to the bit.
    let undone = forward(&mut (Scale(PNP_SITE, 2.0), Scale(PNP_SITE, 0.5)));
    assert_eq!(undone, plain);
    let mut record = Record::default();
    forward(&mut (Scale(PNP_SITE, 2.0), &mut record));
    let scaled = read(&record.hidden[&PNP_SITE]);
    forward(&mut (&mut record, Scale(PNP_SITE, 2.0)));
    let unscaled = read(&record.hidden[&PNP_SITE]);
    let twice: Vec<_> = unscaled.iter().map(|x| 2.0 * x).collect();
    assert_eq!(scaled, twice);
}

#[test]
fn batch_rows_do_not_mix() {
    let device = device();
    let (unet, [x, context]) = (unet(&device), inputs(&device));
    let together = read(&unet.forward(&x, &[480, 20], &context, &mut NoTap));
    let (first, second) = together.split_at(together.len() / 2);
    for (row, (expected, t)) in [(first, 480), (second, 20)].into_iter().enumerate() {
        let rows = row..row + 1;
        let alone = unet.forward(&x.rows(rows.clone()), &[t], &context.rows(rows), &mut NoTap);
        let error = nmse(&read(&alone), expected);
        assert!(error < 1e-10, "row {row}: nmse {error:.1e}");
    }
}

#[test]
fn cfg_at_scale_1_is_cond_and_at_scale_0_is_uncond() {
    let device = device();
    let [x, contexts] = inputs(&device);
    let x = x.rows(0..1);
    let (uncond, cond) = (contexts.rows(0..1), contexts.rows(1..2));
    let unet = Rc::new(unet(&device));
    let predict = |scale| {
        let kind = PredictionType::Epsilon;
        let mut cfg = Cfg::new(unet.clone(), kind, cond.clone(), uncond.clone(), scale);
        cfg.predict(&x, AT, &mut NoTap).expect("nothing is read")
    };
    let alone = read(&unet.forward(&x, &[AT.t], &cond, &mut NoTap));
    let one = predict(1.0);
    assert_eq!(read(&one.eps), alone);
    assert!(one.uncond.is_none(), "at scale 1 one row is enough");
    let zero = predict(0.0);
    let uncond = zero.uncond.expect("both rows were predicted");
    assert_eq!(read(&zero.eps), read(&uncond));
    let error = nmse(&read(&zero.cond), &alone);
    assert!(error < 1e-10, "nmse {error:.1e}");
}

#[test]
fn cfg_goes_beyond_cond() {
    let device = device();
    let [x, contexts] = inputs(&device);
    let (uncond, cond) = (contexts.rows(0..1), contexts.rows(1..2));
    let unet = Rc::new(unet(&device));
    // One context serves both pictures.
    let mut cfg = Cfg::new(unet, PredictionType::Epsilon, cond, uncond, 3.0);
    let prediction = cfg.predict(&x, AT, &mut NoTap).unwrap();
    let uncond = read(&prediction.uncond.expect("both rows were predicted"));
    let expected: Vec<f32> = uncond
        .iter()
        .zip(read(&prediction.cond))
        .map(|(u, c)| u + 3.0 * (c - u))
        .collect();
    let error = nmse(&read(&prediction.eps), &expected);
    assert!(error < 1e-10, "nmse {error:.1e}");
}

#[test]
fn every_prediction_type_stands_for_the_same_noise() {
    let device = device();
    let shape = [1, 4, 4, 4];
    let (x0, eps) = (wave(&device, shape, 0.3), wave(&device, shape, 0.7));
    let signal = AT.alphas_cumprod.sqrt();
    let noise = (1.0 - AT.alphas_cumprod).sqrt();
    let x = x0.mix(signal, &eps, noise);
    let v = eps.mix(signal, &x0, -noise);
    for (kind, output) in [
        (PredictionType::Epsilon, &eps),
        (PredictionType::VPrediction, &v),
        (PredictionType::Sample, &x0),
    ] {
        let found = read(&eps_from_output(kind, output, &x, AT));
        let error = nmse(&found, &read(&eps));
        assert!(error < 1e-10, "{kind:?}: nmse {error:.1e}");
    }
}
