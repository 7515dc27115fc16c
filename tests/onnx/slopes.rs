//! Every operator's gradient is what central differences say, on the inputs of the standard's own tests.

use std::{fs, path::Path};

use guidestar::{
    models::onnx::{Constant, Element, Network, Value},
    tensor::{Device, Keep, Tensor},
};

use crate::{
    cpu, elements,
    networks::uniform,
    skip,
    standard::{DATA, constants, copy},
};

/// How long a step is, as shares of the input's length: a long one goes over kinks, a short one is lost in rounding.
const STEPS: [f64; 4] = [0.05, 0.01, 2e-3, 4e-4];
/// Greatest error of a slope, as a share of it.
const LIMIT: f64 = 0.02;
/// Below this share of what the outputs change by when the input is multiplied, a slope is nothing.
const NOTHING: f64 = 1e-3;
/// Inputs of more numbers are left to whole networks.
const MOST: usize = 4000;

/// What cannot agree, and why.
const OTHERWISE: [(&str, &str); 4] = [
    ("acosh_example", "one number is where the function begins"),
    (
        "softmax_large_number",
        "f32 has no steps as short as the slope needs",
    ),
    (
        "reduce_min_default_axes_keepdims_example",
        "the two least numbers are nearly alike",
    ),
    ("test_round", "some numbers lie half-way between two"),
];
/// What says that an input is a weight: nobody asks for the gradient of one.
const WEIGHT: &str = "only what a network is given can be tracked";

enum Verdict {
    /// Nothing real comes out of something real, or it is a weight.
    NoSlope,
    Agrees,
    Failed(String),
}

/// A drawn sum of those outputs that a gradient goes through; the network's inputs with number `at` replaced.
fn sum(network: &Network, inputs: &[Constant], at: usize, x: &Tensor) -> Option<Tensor> {
    let values = inputs.iter().enumerate().map(|(index, input)| {
        if index == at {
            Value::tensor(x, Element::Float)
        } else {
            copy(input).into()
        }
    });
    let outputs = network.run(&values.collect::<Vec<_>>()).ok()?;
    let device = x.device();
    let sums = outputs.iter().map(|output| {
        let count = output.tensor.shape().elements();
        let weights = (0..count).map(|index| uniform(&output.name, index as u64));
        let weights = device.tensor([1, count], weights.collect());
        output.tensor.reshape([1, count]).mul(&weights).sum(&[1])
    });
    sums.reduce(|sum, more| sum.add(&more))
}

/// The input `at` of a network, on numbers a little beside the test's: many of those lie on kinks.
fn judge(network: &Network, inputs: &[Constant], at: usize, device: &Device) -> Verdict {
    let dims = inputs[at].dims().to_vec();
    let beside = |(index, x): (usize, f32)| {
        let drawn = uniform("beside", index as u64);
        x * (1.0 + 0.01 * drawn) + 0.003 * drawn
    };
    let numbers = inputs[at].numbers().floats().into_iter().enumerate();
    let numbers: Vec<f32> = numbers.map(beside).collect();
    let tensor = |numbers: Vec<f32>| device.tensor(dims.clone(), numbers);
    let leaf = tensor(numbers.clone()).tracked(Keep::All);
    let Some(score) = sum(network, inputs, at, &leaf).filter(Tensor::is_tracked) else {
        return Verdict::NoSlope;
    };
    let gradient = match score.gradient(&[&leaf], 1.0) {
        Ok(gradient) => elements(&gradient[0]),
        Err(error) if error.to_string().contains(WEIGHT) => return Verdict::NoSlope,
        Err(error) => return Verdict::Failed(error.to_string()),
    };
    let length = |all: &[f32]| {
        all.iter()
            .map(|&x| f64::from(x).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    if !elements(&score)[0].is_finite() {
        return Verdict::NoSlope;
    }
    if !gradient.iter().all(|x| x.is_finite()) {
        return Verdict::Failed("the gradient is no number".to_owned());
    }
    let [size, extent] = [length(&gradient), length(&numbers)];
    // Where there is no slope along the gradient there must be none along the input either.
    let direction = if size > 0.0 { &gradient } else { &numbers };
    let unit = length(direction);
    if unit == 0.0 {
        return Verdict::NoSlope;
    }
    let value = |step: f64| {
        let moved = numbers.iter().zip(direction);
        let moved = moved.map(|(&x, &d)| (f64::from(x) + step / unit * f64::from(d)) as f32);
        let score = sum(network, inputs, at, &tensor(moved.collect()));
        score.map_or(f64::NAN, |score| f64::from(elements(&score)[0]))
    };
    let scale = value(0.0).abs() / extent;
    let found = STEPS.map(|share| {
        let step = share * extent;
        (value(step) - value(-step)) / (2.0 * step)
    });
    let close = |slope: &f64| (slope - size).abs() <= (LIMIT * size).max(NOTHING * scale);
    if found.iter().any(close) {
        Verdict::Agrees
    } else {
        Verdict::Failed(format!("a slope of {size:.5}, and differences {found:.5?}"))
    }
}

fn folder(path: &Path, device: &Device) -> Vec<(usize, Verdict)> {
    let place = path.display().to_string();
    let bytes = fs::read(path.join("model.onnx")).expect("a test has a model");
    let Ok(network) = Network::read(&place, bytes, device, None) else {
        return Vec::new();
    };
    let Ok(inputs) = constants(&path.join("test_data_set_0"), "input") else {
        return Vec::new();
    };
    let real = |input: &Constant| {
        let small = (1..=MOST).contains(&input.numbers().floats().len());
        input.element() == Element::Float && small && (1..=6).contains(&input.dims().len())
    };
    let asked = (0..inputs.len()).filter(|&at| real(&inputs[at]));
    asked
        .map(|at| (at, judge(&network, &inputs, at, device)))
        .collect()
}

#[test]
fn operators_gradients_are_what_central_differences_say() {
    let Ok(entries) = fs::read_dir(format!("{DATA}/node")) else {
        return skip("gradients", "the package libonnx-testdata is not installed");
    };
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("a test").path()).collect();
    folders.sort();
    let device = cpu();
    let [mut agree, mut flat] = [0, 0];
    let mut failed = Vec::new();
    for path in folders {
        let name = path
            .file_name()
            .expect("a test has a name")
            .to_string_lossy();
        for (at, verdict) in folder(&path, &device) {
            match verdict {
                Verdict::Agrees => agree += 1,
                Verdict::NoSlope => flat += 1,
                Verdict::Failed(_) if OTHERWISE.iter().any(|(of, _)| name.contains(of)) => {}
                Verdict::Failed(text) => failed.push(format!("{name}, input {at}: {text}")),
            }
        }
    }
    eprintln!(
        "{agree} inputs of operators have the slope they should, {flat} have none; otherwise: {OTHERWISE:?}"
    );
    assert!(
        failed.is_empty(),
        "{} fail:\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert!(agree >= 500, "only {agree}");
}
