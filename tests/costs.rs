//! What techniques cost in kernels, counted in the lazy engine's plans, so that no clock is needed.

#[path = "support/small.rs"]
mod small;

use std::rc::Rc;

use guidestar::{
    diffusion::{Level, Trajectory, Window, schedule::PredictionType},
    guidance::{
        Cfg, Denoiser, PlugAndPlay, Sag, SagSettings,
        edit::{PnpSites, SourceBranch},
    },
    models::{Unet, unet::NoTap},
    tensor::{Device, GpuOptions, Tensor},
};
use small::{unet, wave};

const AT: Level = Level {
    alphas_cumprod: 0.3,
    t: 480,
};
const KIND: PredictionType = PredictionType::Epsilon;

/// The small U-Net on a device that only plans, and what it is asked.
struct Plans {
    device: Device,
    unet: Rc<Unet>,
    x: Tensor,
    contexts: Tensor,
}

impl Plans {
    fn new() -> Self {
        let gpu = pollster::block_on(Device::gpu(GpuOptions::default()));
        let device = gpu
            .expect("a GPU, or mesa-vulkan-drivers for one in software")
            .planner();
        Self {
            unet: Rc::new(unet(&device)),
            x: wave(&device, [1, 16, 16, 4], 0.37),
            contexts: wave(&device, [2, 77, 32], 0.11),
            device,
        }
    }

    fn cfg(&self) -> Cfg {
        let (uncond, cond) = (self.contexts.rows(0..1), self.contexts.rows(1..2));
        Cfg::new(self.unet.clone(), KIND, cond, uncond, 7.5)
    }

    /// The kinds of steps in the plan of a prediction.
    fn of(&self, denoiser: &mut dyn Denoiser) -> Vec<String> {
        let predicted = denoiser.predict(&self.x, AT, &mut NoTap);
        let eps = predicted.expect("nothing is read").eps;
        let steps = pollster::block_on(self.device.profile(&[&eps])).expect("it only plans");
        let kind = |label: &str| label.split(' ').next().unwrap_or_default().to_owned();
        steps.iter().map(|step| kind(&step.label)).collect()
    }
}

fn count(steps: &[String], kind: &str) -> usize {
    steps.iter().filter(|step| *step == kind).count()
}

#[test]
fn the_map_of_sag_leaves_every_other_attention_fused() {
    let plans = Plans::new();
    let plain = plans.of(&mut plans.cfg());
    let attentions = count(&plain, "Attention");
    assert!(
        attentions >= 32,
        "two in each of sixteen transformers: {attentions}"
    );
    assert_eq!(count(&plain, "AttentionProbs"), 0);

    let levels = Window::ALL.levels(&[(AT, AT)]);
    let mut sag = Sag::new(plans.cfg(), SagSettings::default(), KIND, levels, 4);
    let guided = plans.of(&mut sag);
    assert_eq!(count(&guided, "AttentionProbs"), 1);
    assert_eq!(count(&guided, "AttentionApply"), 1);
    assert_eq!(count(&guided, "Attention"), 2 * attentions - 1);
    // A second forward, one attention in two steps, and the map, the blur and the sums: no more.
    let most = 2 * plain.len() + 24;
    assert!(
        guided.len() <= most,
        "{} steps, and {} without",
        guided.len(),
        plain.len()
    );
}

#[test]
fn an_edit_costs_one_forward_of_its_source_while_it_takes_something_and_nothing_after() {
    let plans = Plans::new();
    let plain = plans.of(&mut plans.cfg());
    let pnp = |share: f64| {
        let trajectory = Rc::new(Trajectory::new([16, 16], AT, vec![0.5; 4 * 16 * 16]));
        let text = plans.contexts.rows(0..1);
        let source = SourceBranch::new(plans.unet.clone(), trajectory, text, None);
        let levels = [0, 1].map(|_| Window::leading(share).levels(&[(AT, AT)]));
        let mut pnp = PlugAndPlay::new(plans.cfg(), source, PnpSites::default(), levels, true);
        plans.of(&mut pnp)
    };
    assert_eq!(pnp(0.0), plain);
    let taken = pnp(1.0);
    assert_eq!(
        count(&taken, "AttentionProbs"),
        0,
        "layouts are lent as queries and keys"
    );
    // What the source computes behind the last layer that lends something is never asked for.
    let attentions = count(&plain, "Attention");
    let found = count(&taken, "Attention");
    assert!(
        found < 2 * attentions && found > attentions,
        "{found} of twice {attentions}"
    );
    assert!(taken.len() < 2 * plain.len() + 24, "{} steps", taken.len());
}
