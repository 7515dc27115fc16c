//! Every operation's gradient, on every device, is burn's and that of central differences.

#[path = "../support/eyes.rs"]
mod eyes;
mod guides;
mod memory;
mod rules;
#[path = "../support/operations/mod.rs"]
#[expect(dead_code, reason = "not every draw suits a derivative")]
mod support;

use guidestar::{
    engine::{burn::autodiff, op::Op},
    tensor::{Device, Keep, Shape, Tensor},
};
use support::{F16_LIMIT, Generator, Host, assert_close, call, native::devices, reference};

/// How far both sides of a central difference are.
const STEP: f64 = 1e-4;
/// Greatest normalised error of a central difference, whose own is about `STEP` squared, squared.
const DIFFERENCE_LIMIT: f64 = 1e-10;
/// Greatest normalised error against burn, which computes in f32 as we do.
const BURN_LIMIT: f64 = 1e-9;
/// In f16 a rule stores some numbers on the way, each rounded once.
const F16_STEPS: f64 = 10.0;

/// One operation on drawn numbers; gradients are asked for those operands that are named.
#[derive(Debug)]
struct Case {
    op: Op,
    inputs: Vec<Host>,
    wrt: Vec<usize>,
}

impl Case {
    /// Judges each device by this case.
    fn judge(&self) {
        let inputs = &self.inputs;
        let result = reference(&self.op, inputs);
        let seed = Generator::new(7).host(&result.shape, support::Draw::Positive);
        for &wrt in &self.wrt {
            let what = format!("{:?} {:?} by operand {wrt}", self.op, shapes(inputs));
            let wanted = differences(&self.op, inputs, &seed, wrt);
            let burn = by_burn(&self.op, inputs, &seed, wrt);
            assert_close(&burn, &wanted, DIFFERENCE_LIMIT, &format!("burn: {what}"));
            for (name, device, limit) in devices_once() {
                let mut tensors: Vec<_> = inputs.iter().map(|x| x.constant(device)).collect();
                tensors[wrt] = inputs[wrt].input(device).tracked(Keep::All);
                let y = call(&self.op, &tensors).mul(&seed.constant(device));
                let gradient = y.gradient(&[&tensors[wrt]], 1.0);
                let found = Host::read(&gradient.expect("the rule is known")[0]);
                let limit = if *limit >= F16_LIMIT {
                    F16_STEPS * limit
                } else {
                    BURN_LIMIT
                };
                assert_close(&found, &burn, limit, &format!("{name}: {what}"));
            }
        }
    }
}

fn shapes(inputs: &[Host]) -> Vec<&Shape> {
    inputs.iter().map(|x| &x.shape).collect()
}

/// A device, its name and the greatest error an operation may make on it.
type Judged = (&'static str, Device, f64);

/// The devices, opened once for all cases of a test. Rules are made of operations, which are judged on the others too.
fn devices_once() -> &'static [Judged] {
    thread_local! {
        static DEVICES: &'static [Judged] = {
            let chosen = ["cpu", "gpu in f32", "gpu in f16"];
            let all = devices().into_iter();
            Vec::leak(all.filter(|(name, ..)| chosen.contains(name)).collect())
        };
    }
    DEVICES.with(|devices| *devices)
}

/// The gradient of `sum(seed * op(inputs))` by central differences of the plain reference.
fn differences(op: &Op, inputs: &[Host], seed: &Host, wrt: usize) -> Host {
    let value = |at: usize, step: f64| {
        let mut moved = inputs.to_vec();
        moved[wrt].data[at] += step;
        let result = reference(op, &moved);
        let pairs = result.data.iter().zip(&seed.data);
        pairs.map(|(y, s)| y * s).sum::<f64>()
    };
    let data = (0..inputs[wrt].data.len())
        .map(|at| (value(at, STEP) - value(at, -STEP)) / (2.0 * STEP))
        .collect();
    Host {
        shape: inputs[wrt].shape.clone(),
        data,
    }
}

/// The same by burn's automatic differentiation.
fn by_burn(op: &Op, inputs: &[Host], seed: &Host, wrt: usize) -> Host {
    let elements = |x: &Host| x.data.iter().map(|&x| x as f32).collect::<Vec<_>>();
    let operands: Vec<_> = inputs
        .iter()
        .map(|x| (x.shape.clone(), elements(x)))
        .collect();
    let gradient = autodiff::gradient(op, &operands, (&seed.shape, elements(seed)), wrt);
    Host {
        shape: inputs[wrt].shape.clone(),
        data: gradient.into_iter().map(f64::from).collect(),
    }
}

fn read(tensor: &Tensor) -> Vec<f32> {
    pollster::block_on(tensor.read()).expect("the device computes")
}
