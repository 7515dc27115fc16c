//! Real networks give onnxruntime's numbers.

use std::fs;

use guidestar::{models::onnx::Network, tensor::Device};
use safetensors::SafeTensors;

use crate::{beside, devices, elements, skip};

/// Greatest difference, as a share of the greatest number of an output.
const LIMIT: f32 = 1e-4;

/// `SplitMix64` seeded by FNV-1a, as `tests/fixtures/sequence.py` draws.
pub fn uniform(name: &str, index: u64) -> f32 {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    let mut bits = seed.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    (bits >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// The picture that `make_networks.py` draws, channels last.
pub fn picture(name: &str, size: usize, scale: f32, shift: f32) -> Vec<f32> {
    let cells = size / 8;
    let at = |index: usize| {
        let [y, x, c] = [index / 3 / size, index / 3 % size, index % 3];
        uniform(name, ((y / 8 * cells + x / 8) * 3 + c) as u64) * scale + shift
    };
    (0..size * size * 3).map(at).collect()
}

/// Greatest difference of a network's outputs from onnxruntime's, as a share of each output's greatest number.
fn worst(name: &str, size: usize, scale: f32, shift: f32, device: &Device) -> Option<f32> {
    let Some(path) = beside(&format!("shared/networks/{name}.onnx")) else {
        skip(name, "there is no shared/networks beside the repository");
        return None;
    };
    let file = fs::read(path).expect("a network");
    let network = Network::read(name, file, device, None).expect("a network that is read");
    let x = device.tensor([1, size, size, 3], picture(name, size, scale, shift));
    let outputs = network.forward(&x).expect("a network that runs");
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/networks.safetensors"
    );
    let bytes = fs::read(file).expect("a fixture");
    let fixture = SafeTensors::deserialize(&bytes).expect("a fixture");
    let words = |key: String| {
        let view = fixture.tensor(&key).expect("a recorded output");
        let (words, _) = view.data().as_chunks::<4>();
        words.to_vec()
    };
    let mut worst = 0.0_f32;
    assert!(!outputs.is_empty());
    for output in outputs {
        let key = format!("{name}/{}", output.name);
        let step = i32::from_le_bytes(words(format!("{key}/step"))[0]) as usize;
        let wanted: Vec<f32> = words(key).into_iter().map(f32::from_le_bytes).collect();
        let found: Vec<f32> = elements(&output.tensor).into_iter().step_by(step).collect();
        assert_eq!(found.len(), wanted.len(), "{}", output.name);
        let most = wanted.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!(found.is_finite(), "{name}: {}", output.name);
            worst = worst.max((found - wanted).abs() / most);
        }
    }
    Some(worst)
}

fn judge(name: &str, size: usize, scale: f32, shift: f32) {
    for (what, device) in devices() {
        if let Some(worst) = worst(name, size, scale, shift, &device) {
            eprintln!("{name} on the {what}: {worst:.1e} of the greatest number");
            assert!(worst < LIMIT, "{name} on the {what}: {worst:.1e}");
        }
    }
}

#[test]
fn mobile_face_net_gives_onnxruntimes_embedding() {
    judge("MobileFaceNet", 112, 1.5, 0.0);
}

#[test]
fn yunet_gives_onnxruntimes_heads() {
    judge("yunet_n", 320, 127.5, 127.5);
}

#[test]
fn fastest_det_gives_onnxruntimes_cells() {
    judge("FastestDet", 352, 0.5, 0.5);
}
