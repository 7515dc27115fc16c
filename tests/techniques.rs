//! What must hold of the techniques that steer the sampling, whatever the weights.

#[path = "support/compared.rs"]
mod compared;
#[path = "support/small.rs"]
mod small;

use std::{cell::Cell, rc::Rc};

use guidestar::{
    diffusion::{Level, Levels, Window, schedule::PredictionType, x0_from_eps},
    guidance::{
        ApgSettings, Cfg, Denoiser, FreeU, FreeUSettings, PagSettings, Perturbed, Prediction,
        Projected, Sag, SagSettings, SegSettings, sag::MID, slow_waves,
    },
    models::{
        Unet,
        config::UnetConfig,
        unet::{Block, NoTap, Part, Site, Tap},
    },
    session::Job,
    tensor::{Device, Tensor},
};

use compared::{device, nmse, read};
use small::{unet, wave};

const AT: Level = Level {
    alphas_cumprod: 0.3,
    t: 480,
};
const BLOCKS: usize = 4;
const KINDS: [PredictionType; 3] = [
    PredictionType::Epsilon,
    PredictionType::VPrediction,
    PredictionType::Sample,
];

/// The small U-Net, the latents of two pictures, and two contexts.
struct Bench {
    unet: Rc<Unet>,
    x: Tensor,
    contexts: Tensor,
}

impl Bench {
    fn new() -> Self {
        let device = device();
        Self {
            unet: Rc::new(unet(&device)),
            x: wave(&device, [2, 12, 10, 4], 0.37),
            contexts: wave(&device, [2, 7, 32], 0.11),
        }
    }

    fn cfg(&self, kind: PredictionType, scale: f64) -> Cfg {
        let (uncond, cond) = (self.contexts.rows(0..1), self.contexts.rows(1..2));
        Cfg::new(self.unet.clone(), kind, cond, uncond, scale)
    }

    fn sag(&self, kind: PredictionType, scale: f64, settings: SagSettings) -> Sag<Cfg> {
        Sag::new(self.cfg(kind, scale), settings, kind, here(), BLOCKS)
    }

    fn predict(&self, denoiser: &mut dyn Denoiser) -> Prediction {
        let predicted = denoiser.predict(&self.x, AT, &mut NoTap);
        predicted.expect("nothing is read")
    }

    fn eps(&self, denoiser: &mut dyn Denoiser) -> Vec<f32> {
        read(&self.predict(denoiser).eps)
    }
}

fn here() -> Levels {
    Window::ALL.levels(&[(AT, AT)])
}

fn nowhere() -> Levels {
    Window::leading(0.0).levels(&[(AT, AT)])
}

/// Counts forwards, and where weights are asked for.
#[derive(Default)]
struct Count {
    forwards: usize,
    rows: Vec<usize>,
}

impl Tap for Count {
    fn block(&mut self, at: Block, h: Tensor) -> Tensor {
        if at == Block::Mid {
            self.forwards += 1;
            self.rows.push(h.shape()[0]);
        }
        h
    }
}

#[test]
fn sag_with_zero_scale_or_outside_its_window_is_cfg() {
    let bench = Bench::new();
    for scale in [7.5, 1.0] {
        let expected = bench.eps(&mut bench.cfg(PredictionType::Epsilon, scale));
        let none = SagSettings {
            scale: 0.0,
            ..SagSettings::default()
        };
        let mut zero = bench.sag(PredictionType::Epsilon, scale, none);
        assert!(bench.eps(&mut zero) == expected, "scale 0 changed the bits");
        let kind = PredictionType::Epsilon;
        let inner = bench.cfg(kind, scale);
        let mut outside = Sag::new(inner, SagSettings::default(), kind, nowhere(), BLOCKS);
        assert!(
            bench.eps(&mut outside) == expected,
            "no window changed the bits"
        );
        let mut count = Count::default();
        let found = outside.predict(&bench.x, AT, &mut count).expect("no reads");
        assert_eq!(count.forwards, 1, "a forward for nothing");
        assert!(found.maps.is_empty());
    }
}

#[test]
fn sag_costs_one_forward_of_the_unconditional_row() {
    let bench = Bench::new();
    for (scale, rows) in [(7.5, [4, 2]), (1.0, [2, 2])] {
        let mut sag = bench.sag(PredictionType::Epsilon, scale, SagSettings::default());
        let mut count = Count::default();
        let found = sag.predict(&bench.x, AT, &mut count).expect("no reads");
        assert_eq!(count.rows, rows);
        let mask = read(&found.maps[0].values);
        assert!(mask.iter().all(|value| [0.0, 1.0].contains(value)));
        assert!(
            mask.contains(&0.0) && mask.contains(&1.0),
            "a mask of one kind"
        );
    }
}

#[test]
fn rows_of_sag_do_not_mix() {
    let bench = Bench::new();
    let settings = SagSettings::default();
    let together = bench.eps(&mut bench.sag(PredictionType::Epsilon, 7.5, settings.clone()));
    let half = together.len() / 2;
    for row in 0..2 {
        let mut sag = bench.sag(PredictionType::Epsilon, 7.5, settings.clone());
        let x = bench.x.rows(row..row + 1);
        let alone = sag.predict(&x, AT, &mut NoTap).expect("no reads");
        let error = nmse(&read(&alone.eps), &together[row * half..(row + 1) * half]);
        assert!(error < 1e-10, "row {row}: nmse {error:.1e}");
    }
}

/// A denoiser that notes what it was asked without guidance.
struct Note<'a> {
    inner: Cfg,
    noted: &'a Cell<Option<(Tensor, Tensor)>>,
}

impl Denoiser for Note<'_> {
    fn predict(
        &mut self,
        x: &Tensor,
        at: Level,
        tap: &mut dyn Tap,
    ) -> guidestar::Result<Prediction> {
        self.inner.predict(x, at, tap)
    }

    fn unguided(&mut self, x: &Tensor, at: Level, tap: &mut dyn Tap) -> guidestar::Result<Tensor> {
        let eps = self.inner.unguided(x, at, tap)?;
        self.noted.set(Some((x.clone(), eps.clone())));
        Ok(eps)
    }
}

/// `ComfyUI` adds `scale * (degraded - D(x~))` to the guided clean latents, where `D` is the network's guess at them.
#[test]
fn comfyuis_form_is_that_of_diffusers() {
    let bench = Bench::new();
    let noted = Cell::new(None);
    let inner = Note {
        inner: bench.cfg(PredictionType::Epsilon, 7.5),
        noted: &noted,
    };
    let settings = guidestar::guidance::SagPreset::Comfyui.settings();
    let scale = settings.scale;
    let kind = PredictionType::Epsilon;
    let mut sag = Sag::new(inner, settings, kind, here(), BLOCKS);
    let found = bench.predict(&mut sag);
    let (degraded, eps) = noted.take().expect("there was a second forward");
    let plain = bench.predict(&mut bench.cfg(kind, 7.5));
    let uncond = plain.uncond.expect("there is guidance");
    // Degraded clean latents, and what the network takes them for once they are noisy.
    let clean = x0_from_eps(&degraded, &uncond, AT);
    let taken = x0_from_eps(&degraded, &eps, AT);
    let guided = x0_from_eps(&bench.x, &plain.eps, AT).mix(1.0, &clean.sub(&taken), scale);
    let error = nmse(
        &read(&x0_from_eps(&bench.x, &found.eps, AT)),
        &read(&guided),
    );
    assert!(error < 1e-10, "nmse {error:.1e}");
}

#[test]
fn a_blur_of_nothing_is_no_guidance() {
    let bench = Bench::new();
    for kind in KINDS {
        let settings = SagSettings {
            sigma: 1e-3,
            ..SagSettings::default()
        };
        let expected = bench.eps(&mut bench.cfg(kind, 7.5));
        let error = nmse(&bench.eps(&mut bench.sag(kind, 7.5, settings)), &expected);
        assert!(error < 1e-10, "{kind:?}: nmse {error:.1e}");
        let error = nmse(
            &bench.eps(&mut bench.sag(kind, 7.5, SagSettings::default())),
            &expected,
        );
        assert!(error > 1e-9, "{kind:?}: SAG does nothing");
    }
}

/// Replaces the weights of a site by the identity.
struct Identity(Site);

impl Tap for Identity {
    fn wants_probs(&self, at: Site) -> bool {
        at == self.0
    }

    fn probs(&mut self, _: Site, p: Tensor) -> Tensor {
        let [batch, heads, queries, keys] = p.dims();
        let eye = (0..heads * queries * keys).map(|at| {
            let at = at % (queries * keys);
            f32::from(u8::from(at / keys == at % keys))
        });
        let eye = p.device().tensor([1, heads, queries, keys], eye.collect());
        eye.expand([batch, heads, queries, keys])
    }
}

#[test]
fn pag_is_guidance_away_from_weights_that_are_the_identity() {
    let bench = Bench::new();
    let settings = PagSettings::default();
    let mut pag = bench
        .cfg(PredictionType::Epsilon, 7.5)
        .perturbed(Perturbed::identity(&settings, here()));
    let mut count = Count::default();
    let found = pag.predict(&bench.x, AT, &mut count).expect("no reads");
    assert_eq!(count.rows, [6], "one forward on [uncond, cond, perturbed]");
    let plain = bench.predict(&mut bench.cfg(PredictionType::Epsilon, 7.5));
    let context = bench.contexts.rows(1..2).expand([2, 7, 32]);
    let mut identity = Identity(MID);
    let spoilt = bench
        .unet
        .forward(&bench.x, &[AT.t], &context, &mut identity);
    let away = plain.cond.sub(&spoilt);
    let expected = plain.eps.mix(1.0, &away, settings.scale);
    let error = nmse(&read(&found.eps), &read(&expected));
    assert!(error < 1e-9, "nmse {error:.1e}");
}

#[test]
fn perturbations_that_do_nothing_cost_nothing() {
    let bench = Bench::new();
    let expected = bench.eps(&mut bench.cfg(PredictionType::Epsilon, 7.5));
    let none = PagSettings {
        scale: 0.0,
        ..PagSettings::default()
    };
    for perturbed in [
        Perturbed::identity(&none, here()),
        Perturbed::identity(&PagSettings::default(), nowhere()),
    ] {
        let mut pag = bench.cfg(PredictionType::Epsilon, 7.5).perturbed(perturbed);
        let mut count = Count::default();
        let found = pag.predict(&bench.x, AT, &mut count).expect("no reads");
        assert_eq!(count.rows, [4]);
        assert!(read(&found.eps) == expected);
    }
}

#[test]
fn techniques_nest() {
    let bench = Bench::new();
    let kind = PredictionType::Epsilon;
    let widths = UnetConfig::tiny().block_out_channels;
    let inner = bench
        .cfg(kind, 7.5)
        .perturbed(Perturbed::identity(&PagSettings::default(), here()))
        .perturbed(Perturbed::blurred(&SegSettings::default(), here()));
    let inner = FreeU::new(inner, FreeUSettings::default(), &widths);
    let mut nest = Sag::new(inner, SagSettings::default(), kind, here(), BLOCKS);
    let mut count = Count::default();
    let found = nest.predict(&bench.x, AT, &mut count).expect("no reads");
    assert_eq!(count.rows, [8, 2]);
    assert_eq!(found.maps.len(), 1);
    assert!(read(&found.eps).iter().all(|x| x.is_finite()));
}

#[test]
fn freeu_with_factors_of_one_changes_nothing() {
    let bench = Bench::new();
    let widths = UnetConfig::tiny().block_out_channels;
    let expected = bench.eps(&mut bench.cfg(PredictionType::Epsilon, 1.0));
    for version in [1, 2] {
        let one = FreeUSettings {
            b1: 1.0,
            b2: 1.0,
            s1: 1.0,
            s2: 1.0,
            version,
            ..FreeUSettings::default()
        };
        let cfg = bench.cfg(PredictionType::Epsilon, 1.0);
        let error = nmse(&bench.eps(&mut FreeU::new(cfg, one, &widths)), &expected);
        assert!(error < 1e-10, "version {version}: nmse {error:.1e}");
    }
}

/// The four middle elements of the shifted spectrum, transformed back, literally.
fn slow_waves_by_definition(x: &[f32], [h, w]: [usize; 2]) -> Vec<f32> {
    let turn = std::f64::consts::TAU;
    let frequencies = |extent: usize| {
        if extent == 1 {
            vec![0.0]
        } else {
            vec![-1.0, 0.0]
        }
    };
    let phase = |u: f64, v: f64, at: usize| {
        turn * (u * (at / w) as f64 / h as f64 + v * (at % w) as f64 / w as f64)
    };
    let mut sum = vec![0.0; h * w];
    for u in frequencies(h) {
        for v in frequencies(w) {
            let (mut re, mut im) = (0.0, 0.0);
            for (at, &value) in x.iter().enumerate() {
                re += f64::from(value) * phase(u, v, at).cos();
                im -= f64::from(value) * phase(u, v, at).sin();
            }
            for (at, sum) in sum.iter_mut().enumerate() {
                let angle = phase(u, v, at);
                *sum += (re * angle.cos() - im * angle.sin()) / (h * w) as f64;
            }
        }
    }
    sum.into_iter().map(|x| x as f32).collect()
}

#[test]
fn slow_waves_are_the_middle_of_the_spectrum() {
    let device = Device::cpu().expect("a processor is always there");
    for size in [[1, 1], [1, 6], [2, 2], [2, 5], [8, 8], [7, 12]] {
        let x = wave(&device, [1, size[0], size[1], 1], 0.9);
        let x = x.affine(1.0, 0.3);
        let expected = slow_waves_by_definition(&read(&x), size);
        let error = nmse(&read(&slow_waves(&x)), &expected);
        assert!(error < 1e-10, "{size:?}: nmse {error:.1e}");
    }
}

#[test]
fn projected_guidance_without_limits_is_plain() {
    let bench = Bench::new();
    for kind in KINDS {
        let all = ApgSettings {
            eta: 1.0,
            norm: 0.0,
            momentum: 0.0,
        };
        let expected = bench.eps(&mut bench.cfg(kind, 7.5));
        let mut apg = bench.cfg(kind, 7.5).projected(Projected::new(all));
        let error = nmse(&bench.eps(&mut apg), &expected);
        assert!(error < 1e-10, "{kind:?}: nmse {error:.1e}");
    }
}

#[test]
fn rescaling_wholly_gives_the_prompts_spread() {
    let bench = Bench::new();
    let found = bench.predict(&mut bench.cfg(PredictionType::Epsilon, 7.5).rescaled(1.0));
    let spread = |x: &Tensor| {
        let numbers = read(&x.rows(0..1));
        let mean = numbers.iter().sum::<f32>() / numbers.len() as f32;
        let square: f32 = numbers.iter().map(|x| (x - mean).powi(2)).sum();
        (square / numbers.len() as f32).sqrt()
    };
    let ratio = spread(&found.eps) / spread(&found.cond);
    assert!((ratio - 1.0).abs() < 1e-4, "{ratio}");
}

#[test]
fn jobs_of_before_are_still_read_and_new_ones_survive() {
    let old = r#"{"version":1,"prompt":"a fox","negative":"","model":"mini","size":"128x128",
        "steps":25,"cfg_scale":7.5,"seed":3,"count":1,"sampler":"ddim","eta":0.0,"quirks":{}}"#;
    let job = Job::from_json(old).expect("a job of the first version");
    assert!(!job.to_json().contains("sag"), "{}", job.to_json());
    let steered = Job {
        sag: Some(SagSettings {
            window: Window::leading(0.5),
            ..SagSettings::default()
        }),
        pag: Some(PagSettings::default()),
        seg: Some(SegSettings::default()),
        freeu: Some(FreeUSettings::default()),
        apg: Some(ApgSettings::default()),
        cfg_rescale: 0.7,
        ..job
    };
    assert_eq!(Job::from_json(&steered.to_json()).expect("a job"), steered);
}

#[test]
fn sites_that_are_not_there_are_named() {
    let resnet = Site {
        block: Block::Up(1),
        layer: 1,
        part: Part::Resnet,
    };
    assert!(resnet.is_in(&UnetConfig::tiny()));
    let missing: Site = "down_blocks.3.attentions.0".parse().expect("a name");
    assert!(!missing.is_in(&UnetConfig::tiny()));
}
