//! The standard's own tests of its operators, as Debian's `libonnx-testdata` has them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use guidestar::{
    Error, Result,
    models::onnx::{Constant, Element, Network, Value},
    tensor::Device,
};

use crate::{cpu, elements, skip};

pub const DATA: &str = "/usr/lib/python3/dist-packages/onnx/backend/test/data";

/// How far results may be off, as a share of their size and in itself.
const LIMITS: [f32; 2] = [1e-4, 1e-5];

/// Tests whose numbers are held to no more than the standard holds them to: they come from windows whose own constants
/// are off by as much.
const LOOSE: (&str, f32) = ("window", 1e-3);

/// What is refused of claimed operators, in the refusal's words.
const REFUSED: [&str; 8] = [
    // Sequences, optional values and text are no tensors.
    "that is no tensor",
    "holds text",
    // Volumes.
    "there may be one or two axes behind batch and channels",
    // Training.
    "normalises by the batch, as in training",
    "drops at random, as in training",
    "asked for the places of its maxima",
    // Tensors have at least one element.
    "has no elements",
    // Two tests hand over one number where their own file says [3, 4].
    "and [1] was given",
];

/// Tests of what is done otherwise, and why.
const OTHERWISE: [(&str, &str); 3] = [
    (
        "_FLOAT16",
        "casts between widths of real numbers keep all digits",
    ),
    (
        "BFLOAT16",
        "the test's data are whole numbers that stand for bits",
    ),
    (
        "operator_pow",
        "roots of negative numbers are roots of their size",
    ),
];

/// What a test has shown.
enum Verdict {
    Passed,
    /// It asks for an operator that is not claimed.
    NotClaimed,
    /// It asks for something of a claimed operator that is refused, in these words.
    Refused(String),
    Failed(String),
}

pub fn constants(folder: &Path, kind: &str) -> Result<Vec<Constant>> {
    let mut found = Vec::new();
    loop {
        let path = folder.join(format!("{kind}_{}.pb", found.len()));
        let Ok(bytes) = fs::read(&path) else {
            return Ok(found);
        };
        found.push(Constant::decode(&path.display().to_string(), bytes)?);
    }
}

pub fn copy(constant: &Constant) -> Constant {
    let numbers = constant.numbers().clone();
    Constant::new(constant.dims().to_vec(), constant.element(), numbers)
}

/// An input as a value that is computed when it may be, and known when it has to be.
fn value(constant: &Constant, device: &Device, known: bool) -> Value {
    if known || constant.numbers().is_empty() || constant.dims().len() > 6 {
        return copy(constant).into();
    }
    let dims = match constant.dims() {
        [] => return copy(constant).into(),
        dims => dims.to_vec(),
    };
    let tensor = device.tensor(dims, constant.numbers().floats());
    Value::tensor(&tensor, constant.element())
}

/// Runs a network with as many computed inputs as it takes: all, all real numbers, the first alone.
fn run(network: &Network, inputs: &[Constant], device: &Device) -> Result<Vec<Vec<f32>>> {
    let computed: [fn(usize, &Constant) -> bool; 4] = [
        |_, _| true,
        |_, input| input.element() == Element::Float,
        |index, _| index == 0,
        |_, _| false,
    ];
    let mut last = Ok(Vec::new());
    for computed in computed {
        let values: Vec<Value> = inputs
            .iter()
            .enumerate()
            .map(|(index, input)| value(input, device, !computed(index, input)))
            .collect();
        last = network.run(&values).map(|outputs| {
            outputs
                .iter()
                .map(|output| elements(&output.tensor))
                .collect()
        });
        if last.is_ok() {
            break;
        }
    }
    last
}

fn judge(folder: &Path, device: &Device) -> Verdict {
    let place = folder.display().to_string();
    let refused = |error: Error| match error.to_string() {
        text if text.contains("does what is not known here") => Verdict::NotClaimed,
        text => Verdict::Refused(text.replace(&place, "")),
    };
    let share = if place.contains(LOOSE.0) {
        LOOSE.1
    } else {
        LIMITS[0]
    };
    let bytes = fs::read(folder.join("model.onnx")).expect("a test has a model");
    let network = match Network::read(&place, bytes, device, None) {
        Ok(network) => network,
        Err(error) => return refused(error),
    };
    let data = folder.join("test_data_set_0");
    let inputs = match constants(&data, "input") {
        Ok(inputs) => inputs,
        Err(error) => return refused(error),
    };
    let wanted = match constants(&data, "output") {
        Ok(wanted) => wanted,
        Err(error) => return refused(error),
    };
    let found = match run(&network, &inputs, device) {
        Ok(found) => found,
        Err(error) => return refused(error),
    };
    for (index, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        let wanted = wanted.numbers().floats();
        if found.len() != wanted.len() {
            return Verdict::Failed(format!(
                "output {index}: {} for {}",
                found.len(),
                wanted.len()
            ));
        }
        for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            let close = (found - wanted).abs() <= LIMITS[1] + share * wanted.abs();
            let same = found.to_bits() == wanted.to_bits() || (found.is_nan() && wanted.is_nan());
            if !close && !same {
                return Verdict::Failed(format!(
                    "output {index}, element {at}: {found} for {wanted}"
                ));
            }
        }
    }
    Verdict::Passed
}

/// Judges every test of a group. Each refusal has to be one of those expected.
fn group(name: &str, at_least: usize) {
    let root = PathBuf::from(DATA).join(name);
    let Ok(entries) = fs::read_dir(&root) else {
        skip(name, "the package libonnx-testdata is not installed");
        return;
    };
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("a test").path()).collect();
    folders.sort();
    let device = cpu();
    let mut counts = BTreeMap::from([
        ("passed", 0),
        ("not claimed", 0),
        ("refused", 0),
        ("failed", 0),
    ]);
    let mut texts = Vec::new();
    for folder in folders {
        let name = folder
            .file_name()
            .expect("a test has a name")
            .to_string_lossy()
            .into_owned();
        let (verdict, text) = match judge(&folder, &device) {
            Verdict::Passed => ("passed", None),
            Verdict::NotClaimed => ("not claimed", None),
            Verdict::Refused(text) => ("refused", Some(text)),
            Verdict::Failed(text) => ("failed", Some(text)),
        };
        *counts.entry(verdict).or_insert(0) += 1;
        let known = match (verdict, &text) {
            ("refused", Some(text)) => REFUSED.iter().any(|words| text.contains(words)),
            ("failed", _) => OTHERWISE.iter().any(|(of, _)| name.contains(of)),
            _ => true,
        };
        if let Some(text) = text.filter(|_| !known) {
            texts.push(format!("{verdict}: {name}: {text}"));
        }
    }
    eprintln!("{name}: {counts:?}; otherwise by design: {OTHERWISE:?}");
    assert!(texts.is_empty(), "{name}: {counts:?}\n{}", texts.join("\n"));
    assert!(
        counts["passed"] >= at_least,
        "{name}: only {} passed",
        counts["passed"]
    );
}

#[test]
fn every_claimed_operator_passes_the_standards_tests() {
    group("node", 600);
}

#[test]
fn networks_exported_by_pytorch_pass_the_standards_tests() {
    group("pytorch-converted", 69);
    group("pytorch-operator", 34);
}
