//! A file that is wrong is refused in words that name what is wrong, and none makes the program fall over.

use std::fs;

use guidestar::{Error, models::onnx::Network, tensor::Device};

use crate::chance::chance;

fn file(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx");
    fs::read(format!("{folder}/{name}.onnx")).expect("a fixture")
}

/// What is said of a file, read and run on a device without numbers.
fn words(bytes: Vec<u8>) -> String {
    let device = Device::dry();
    let x = device.tensor([1, 8, 8, 3], vec![0.0; 192]);
    let outcome = Network::read("net.onnx", bytes, &device, None).and_then(|net| net.forward(&x));
    match outcome {
        Ok(_) => String::new(),
        Err(error @ Error::Weights { .. }) => error.to_string(),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn each_fault_is_named_with_its_node() {
    let wanted = [
        (
            "future",
            "it has operators of version 99; versions 1 to 25 are read",
        ),
        (
            "unknown",
            "node \"boxes\" (NonMaxSuppression) does what is not known here: NonMaxSuppression",
        ),
        (
            "foreign",
            "node \"fused\" (FusedConv) does what is not known here: FusedConv of com.microsoft",
        ),
        (
            "circle",
            "node \"second\" (Relu) waits for its own result: the graph runs in a circle",
        ),
        (
            "missing",
            "node \"sum\" (Add) takes \"ghost\", which nothing makes",
        ),
        ("unmade", "nothing in it makes \"z\""),
        (
            "external",
            "its weight \"weight\" keeps its numbers in another file: save the network as one file, without external data",
        ),
        (
            "short",
            "its weight \"weight\" has the shape [3, 3, 1, 1], which is 9 numbers, and holds 2",
        ),
        (
            "vast",
            "node \"vast\" (ConstantOfShape) makes a tensor [1048576, 1048576, 1048576], which no device could hold",
        ),
        (
            "misfit",
            "node \"conv\" (Conv) has a kernel [4, 5, 1, 1] in 1 groups for 3 channels",
        ),
        (
            "dependent",
            "node \"shape\" (Reshape) has shape that depend on the picture; they must be known before",
        ),
        ("two", "it takes x, w, where a guide takes one picture"),
    ];
    for (name, wanted) in wanted {
        assert_eq!(words(file(name)), format!("net.onnx: {wanted}"), "{name}");
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let whole = file("small");
    for length in 0..whole.len() {
        let said = words(whole[..length].to_vec());
        assert!(said.contains("no ONNX file"), "{length} bytes: {said:?}");
    }
    assert!(words(b"just some text\n".to_vec()).contains("no ONNX file"));
}

#[test]
fn a_picture_of_another_size_is_refused() {
    let device = Device::dry();
    let net = Network::read("net.onnx", file("misfit"), &device, None).expect("it is read");
    let error = net.forward(&device.tensor([1, 9, 8, 3], vec![0.0; 216]));
    let error = error.expect_err("the file says 8 x 8");
    assert_eq!(
        error.to_string(),
        "net.onnx: its input \"x\" is [1, 3, 8, 8], and [1, 3, 9, 8] was given"
    );
}

#[test]
fn no_change_of_bytes_makes_the_program_fall_over() {
    let whole = file("small");
    let mut next = chance();
    let mut refused = 0;
    for _ in 0..3000 {
        let mut bytes = whole.clone();
        for _ in 0..=next() % 4 {
            let at = next() % bytes.len();
            bytes[at] = match next() % 3 {
                0 => next() as u8,
                1 => bytes[at] ^ (1 << (next() % 8)),
                _ => bytes[at].wrapping_add(1),
            };
        }
        refused += usize::from(!words(bytes).is_empty());
    }
    assert!(refused > 300, "{refused} refusals");
}
