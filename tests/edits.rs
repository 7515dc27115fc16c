//! What must hold of edits, whatever the weights.

#[path = "support/compared.rs"]
mod compared;
#[path = "support/small.rs"]
mod small;

use std::rc::Rc;

use guidestar::{
    diffusion::{
        Ddim, Inversion, Level, Sampler, Schedule, Trajectory, Window,
        schedule::{Evaluation, Following, PredictionType, ScheduleConfig, Spacing},
    },
    guidance::{
        Cfg, Denoiser, PlugAndPlay,
        edit::{Kept, PnpSites, SourceBranch},
    },
    models::{Unet, unet::NoTap},
    tensor::{Device, Tensor},
};

use compared::{device, nmse, read};
use small::{unet, wave};

const STEPS: usize = 4;

fn walk() -> Vec<(Level, Level)> {
    let schedule = Schedule::new(&ScheduleConfig::default(), Evaluation::Single);
    let grid = schedule.grid(STEPS, Spacing::Leading).expect("they fit");
    schedule.steps(&grid, Following::Grid)
}

fn walked(denoiser: &mut dyn Denoiser, x: &Tensor, steps: &[(Level, Level)]) -> Vec<Vec<f32>> {
    let mut x = x.clone();
    let step = |&(from, to): &(Level, Level)| {
        let prediction = denoiser.predict(&x, from, &mut NoTap).expect("no reading");
        x = Ddim::deterministic().step(&x, &prediction.eps, from, to);
        read(&x)
    };
    steps.iter().map(step).collect()
}

/// A small model, a source that was inverted, and the texts of an edit.
struct Desk {
    device: Device,
    unet: Rc<Unet>,
    contexts: Tensor,
    trajectory: Rc<Trajectory>,
}

impl Desk {
    fn new() -> Self {
        let device = device();
        let unet = unet(&device);
        let contexts = wave(&device, [3, 9, 32], 0.11);
        let mut desk = Self {
            unet: Rc::new(unet),
            trajectory: Rc::new(Trajectory::new([8, 8], walk()[0].0, vec![0.0; 256])),
            contexts,
            device,
        };
        let x = wave(&desk.device, [1, 8, 8, 4], 0.37);
        let up = Inversion::TargetT.steps(&walk());
        let latents = walked(&mut desk.cfg(0..1, 1.0), &x, &up);
        let mut trajectory = Trajectory::new([8, 8], up[0].0, read(&x));
        for ((_, to), latents) in up.iter().zip(latents) {
            trajectory.push(*to, latents);
        }
        desk.trajectory = Rc::new(trajectory);
        desk
    }

    /// Row 0 is the source's text and the empty one.
    fn cfg(&self, cond: std::ops::Range<usize>, scale: f64) -> Cfg {
        let kind = PredictionType::Epsilon;
        let uncond = self.contexts.rows(0..1);
        Cfg::new(
            self.unet.clone(),
            kind,
            self.contexts.rows(cond),
            uncond,
            scale,
        )
    }

    fn pnp(&self, cfg: Cfg, shares: [f64; 2], kept: Option<Kept>) -> PlugAndPlay<Cfg> {
        let text = self.contexts.rows(0..1);
        let source = SourceBranch::new(self.unet.clone(), self.trajectory.clone(), text, kept);
        let levels = shares.map(|share| Window::leading(share).levels(&walk()));
        PlugAndPlay::new(cfg, source, PnpSites::default(), levels, true)
    }

    /// The latents an edit begins with, for so many pictures.
    fn start(&self, pictures: usize) -> Tensor {
        let row = self.trajectory.at(walk()[0].0).repeat(pictures);
        self.device.tensor([pictures, 8, 8, 4], row)
    }
}

#[test]
fn an_edit_with_empty_windows_is_plain_sampling() {
    let desk = Desk::new();
    let x = desk.start(1);
    let plain = walked(&mut desk.cfg(1..2, 7.5), &x, &walk());
    let mut pnp = desk.pnp(desk.cfg(1..2, 7.5), [0.0, 0.0], None);
    assert_eq!(walked(&mut pnp, &x, &walk()), plain);
    let mut pnp = desk.pnp(desk.cfg(1..2, 7.5), [1.0, 0.0], None);
    let features = walked(&mut pnp, &x, &walk());
    assert!(
        nmse(&features[0], &plain[0]) > 1e-6,
        "the features are not heard"
    );
    let mut pnp = desk.pnp(desk.cfg(1..2, 7.5), [0.0, 1.0], None);
    let attention = walked(&mut pnp, &x, &walk());
    assert!(
        nmse(&attention[0], &plain[0]) > 1e-6,
        "the attention is not heard"
    );
}

#[test]
fn a_source_that_lends_to_itself_changes_nothing() {
    let desk = Desk::new();
    let x = desk.start(1);
    let (first, _) = walk()[0];
    // Under its own text, and from its own latents, the first step computes what the source's forward does.
    let own = desk.cfg(0..1, 1.0).predict(&x, first, &mut NoTap);
    let text = desk.contexts.rows(0..1);
    let source = SourceBranch::new(desk.unet.clone(), desk.trajectory.clone(), text, None);
    let levels = [Window::ALL.levels(&walk()), Window::ALL.levels(&walk())];
    let mut pnp = PlugAndPlay::new(
        desk.cfg(0..1, 1.0),
        source,
        PnpSites::default(),
        levels,
        false,
    );
    let lent = pnp.predict(&x, first, &mut NoTap);
    let [own, lent] = [own, lent].map(|it| read(&it.expect("no reading").eps));
    assert_eq!(lent, own);
}

#[test]
fn kept_features_are_those_of_the_source_s_own_forward() {
    let desk = Desk::new();
    let x = desk.start(1);
    let fresh = walked(
        &mut desk.pnp(desk.cfg(1..2, 7.5), [0.75, 0.5], None),
        &x,
        &walk(),
    );
    let kept = Kept::new();
    for round in 0..2 {
        let mut pnp = desk.pnp(desk.cfg(1..2, 7.5), [0.75, 0.5], Some(kept.clone()));
        assert_eq!(walked(&mut pnp, &x, &walk()), fresh, "round {round}");
        assert_eq!(kept.len(), 3, "one for each step that takes something");
    }
}

#[test]
fn edits_in_one_batch_do_not_mix() {
    let desk = Desk::new();
    let mut both = desk.pnp(desk.cfg(1..3, 7.5), [0.75, 0.5], None);
    let together = walked(&mut both, &desk.start(2), &walk());
    for (row, half) in together[STEPS - 1].chunks(256).enumerate() {
        let mut one = desk.pnp(desk.cfg(1 + row..2 + row, 7.5), [0.75, 0.5], None);
        let alone = walked(&mut one, &desk.start(1), &walk());
        let error = nmse(half, &alone[STEPS - 1]);
        assert!(error < 1e-9, "row {row}: nmse {error:.1e}");
    }
}
