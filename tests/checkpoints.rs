//! Folders, single files and memory hold the same checkpoint; what is none is refused with advice.
#![cfg(all(feature = "cpu", feature = "mini"))]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by stopping"
)]

#[path = "support/safetensors_file.rs"]
mod safetensors_file;

use std::{collections::BTreeMap, fs, path::Path};

use guidestar::{
    Result,
    models::{
        Autoencoder, ClipText, Needed, Parameters, Recorder, Unet,
        config::{AutoencoderConfig, ClipTextConfig, UnetConfig, VaeConfig},
    },
    tensor::Device,
    tokenizer::Tokenizer,
    weights::{
        Checkpoint, Component, Ema, MemoryFiles, Part, WeightSource,
        convert::{Layout, Storage, convert},
        disk::open_checkpoint,
        mini,
        names::{averaged, from_single_file, to_single_file},
        sd15,
    },
};
use half::f16;
use pollster::block_on;
use safetensors_file::{Raw, f32s, source, with_tensors};

fn open_mini() -> Checkpoint {
    block_on(Checkpoint::open_files(&mini::files())).unwrap()
}

fn open(path: &Path) -> Checkpoint {
    block_on(open_checkpoint(path, Ema::Last)).unwrap()
}

/// What the model of a component asks for.
fn needed(component: &Component) -> Vec<Needed> {
    let (place, config) = (&component.config_place, &component.config);
    match component.part {
        Part::Unet => {
            let config = UnetConfig::from_json(place, config).unwrap();
            Recorder::record(|parameters| Unet::new(&config, parameters))
        }
        Part::Vae => {
            let config = AutoencoderConfig::from_json(place, config).unwrap();
            Recorder::record(|parameters| Autoencoder::new(&config, parameters))
        }
        Part::TextEncoder => {
            let config = ClipTextConfig::from_json(place, config).unwrap();
            Recorder::record(|parameters| ClipText::new(&config, parameters))
        }
    }
    .unwrap()
}

/// Every parameter of a component, as it arrives on a device.
fn numbers(component: &Component) -> BTreeMap<String, Vec<f32>> {
    let device = Device::cpu().unwrap();
    let needed = needed(component);
    let mut loaded = block_on(component.load(&needed, &device, &mut |_| {})).unwrap();
    let mut read = |needed: Needed| {
        let tensor = loaded.take(&needed.name, needed.kind).unwrap();
        (needed.name, block_on(tensor.read()).unwrap())
    };
    needed.into_iter().map(&mut read).collect()
}

fn converted(
    checkpoint: &Checkpoint,
    output: &Path,
    layout: Layout,
    storage: Storage,
) -> Checkpoint {
    let mut last = None;
    let tell = &mut |progress| last = Some(progress);
    block_on(convert(checkpoint, output, layout, storage, tell)).unwrap();
    let last = last.unwrap();
    assert_eq!(last.done_bytes, last.total_bytes);
    open(output)
}

/// A checkpoint in a single file of such numbers, and that one as a folder in f32.
fn there_and_back(original: &Checkpoint, folder: &Path, storage: Storage) -> [Checkpoint; 2] {
    let file = folder.join("mini.safetensors");
    let single = converted(original, &file, Layout::SingleFile, storage);
    let back = converted(&single, &folder.join("mini"), Layout::Folder, Storage::F32);
    [single, back]
}

#[test]
fn the_model_that_comes_along_has_all_its_parts() {
    let checkpoint = open_mini();
    let counts = Part::ALL.map(|part| numbers(checkpoint.component(part)).len());
    assert_eq!(counts, [36, 686, 134]);
    let tokenizer = Tokenizer::from_descriptions(&checkpoint.descriptions).unwrap();
    assert_eq!(tokenizer.encode("a red apple").used, 3);
}

#[test]
fn a_folder_and_a_single_file_load_identically() {
    let folder = tempfile::tempdir().unwrap();
    let original = open_mini();
    // The 8 bits and scales of the original would be rounded by f16.
    let [single, back] = there_and_back(&original, folder.path(), Storage::F32);
    assert_eq!(single.descriptions, original.descriptions);
    assert_eq!(back.descriptions, original.descriptions);
    for part in Part::ALL {
        let expected = numbers(original.component(part));
        assert_eq!(numbers(single.component(part)), expected);
        assert_eq!(numbers(back.component(part)), expected);
    }
    // Nothing is left beside them.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn half_precision_rounds_once() {
    let folder = tempfile::tempdir().unwrap();
    let original = open_mini();
    let [half, back] = there_and_back(&original, folder.path(), Storage::F16);
    for part in Part::ALL {
        let mut expected = numbers(original.component(part));
        for number in expected.values_mut().flatten() {
            *number = f16::from_f32(*number).to_f32();
        }
        assert_eq!(numbers(half.component(part)), expected);
        assert_eq!(numbers(back.component(part)), expected);
    }
}

#[test]
fn eight_bits_stay_within_half_a_step_and_halve_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let original = open_mini();
    let file = folder.path().join("mini8.safetensors");
    let small = converted(&original, &file, Layout::SingleFile, Storage::Int8);
    assert!(fs::metadata(&file).unwrap().len() < 13_000_000);
    let expected = numbers(&original.unet);
    let found = numbers(&small.unet);
    // A linear weight arrives as [inputs, outputs]; its scale is its column's.
    let name = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight";
    let (expected, found) = (&expected[name], &found[name]);
    let outputs = 128;
    for column in 0..outputs {
        let of = |numbers: &[f32]| -> Vec<f32> {
            numbers
                .iter()
                .skip(column)
                .step_by(outputs)
                .copied()
                .collect()
        };
        let (expected, found) = (of(expected), of(found));
        let step = expected.iter().fold(0f32, |max, x| max.max(x.abs())) / 127.0;
        for (a, b) in expected.iter().zip(&found) {
            assert!((a - b).abs() <= 0.5001 * step, "{a} {b} {step}");
        }
    }
}

#[test]
fn a_conversion_does_not_write_over_anything() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("here.safetensors");
    fs::write(&file, "precious").unwrap();
    let tell = &mut |_| {};
    let result = block_on(convert(
        &open_mini(),
        &file,
        Layout::SingleFile,
        Storage::F16,
        tell,
    ));
    result.unwrap_err();
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn a_number_too_large_for_f16_stops_the_conversion_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut checkpoint = open_mini();
    let large = source(with_tensors(&[("x", "F32", &[1], f32s(&[1e6]))]));
    let header = block_on(guidestar::weights::header::Header::read(&*large)).unwrap();
    let tensors = &mut checkpoint.vae.tensors;
    tensors
        .add(large, &header, |name| Some(name.to_owned()))
        .unwrap();
    let output = folder.path().join("out");
    let tell = &mut |_| {};
    let result = block_on(convert(
        &checkpoint,
        &output,
        Layout::Folder,
        Storage::F16,
        tell,
    ));
    assert_eq!(
        result.unwrap_err().to_string(),
        r#"file: its tensor "x" holds 1000000, too large for f16: use f32"#
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Names and shapes of all of Stable Diffusion 1.5.
fn sd15_needed() -> Vec<(Part, Needed)> {
    let vae = AutoencoderConfig::Kl(VaeConfig::sd15());
    let lists: [(Part, Result<Vec<Needed>>); 3] = [
        (
            Part::Unet,
            Recorder::record(|p| Unet::new(&UnetConfig::sd15(), p)),
        ),
        (Part::Vae, Recorder::record(|p| Autoencoder::new(&vae, p))),
        (
            Part::TextEncoder,
            Recorder::record(|p| ClipText::new(&ClipTextConfig::sd15(), p)),
        ),
    ];
    lists
        .into_iter()
        .flat_map(|(part, needed)| {
            needed
                .unwrap()
                .into_iter()
                .map(move |needed| (part, needed))
        })
        .collect()
}

#[test]
fn every_name_of_sd15_has_its_own_name_in_a_single_file() {
    let mut seen = BTreeMap::new();
    for (part, Needed { name, .. }) in sd15_needed() {
        let ldm = to_single_file(part, &name);
        assert!(
            !["resnets", "down_blocks", "up_blocks", "samplers"]
                .iter()
                .any(|word| ldm.contains(word)),
            "{ldm}"
        );
        assert_eq!(from_single_file(&ldm), Some((part, name.clone())), "{ldm}");
        assert_eq!(seen.insert(ldm, name), None);
    }
    assert_eq!(seen.len(), 686 + 248 + 196);
    // Written by the original code, whatever our table says.
    for name in [
        "model.diffusion_model.output_blocks.11.0.skip_connection.weight",
        "model.diffusion_model.output_blocks.5.2.conv.weight",
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight",
        "first_stage_model.decoder.up.0.block.0.nin_shortcut.weight",
        "first_stage_model.encoder.down.2.downsample.conv.weight",
        "first_stage_model.encoder.mid.attn_1.q.weight",
    ] {
        assert!(seen.contains_key(name), "{name}");
    }
}

#[test]
fn the_configs_of_sd15_are_those_the_models_know() {
    let text = |part| sd15::config(part).to_string();
    let unet = UnetConfig::from_json("", &text(Part::Unet)).unwrap();
    assert_eq!(unet, UnetConfig::sd15());
    let vae = VaeConfig::from_json("", &text(Part::Vae)).unwrap();
    assert_eq!(vae, VaeConfig::sd15());
    let encoder = ClipTextConfig::from_json("", &text(Part::TextEncoder)).unwrap();
    assert_eq!(encoder, ClipTextConfig::sd15());
}

/// A single file of few tensors, with buffers, counters and averages among them.
fn small_single_file(averages: bool) -> Vec<u8> {
    let time: Vec<String> = (0..101)
        .map(|index| format!("model.diffusion_model.time_embed.0.p{index}"))
        .collect();
    let copies: Vec<String> = time.iter().map(|name| averaged(name).unwrap()).collect();
    let one = |name: &'static str| -> Raw<'static> { (name, "F32", &[1], f32s(&[1.0])) };
    let mut all: Vec<Raw<'_>> = vec![
        one("alphas_cumprod"),
        one("model_ema.decay"),
        one("first_stage_model.loss.logvar"),
        one("first_stage_model.decoder.norm_out.weight"),
        one("cond_stage_model.transformer.final_layer_norm.weight"),
        (
            "cond_stage_model.transformer.embeddings.position_ids",
            "I64",
            &[1, 1],
            vec![0; 8],
        ),
    ];
    all.extend(
        time.iter()
            .map(|name| -> Raw<'_> { (name, "F32", &[1], f32s(&[2.0])) }),
    );
    if averages {
        all.extend(
            copies
                .iter()
                .map(|name| -> Raw<'_> { (name, "F32", &[1], f32s(&[3.0])) }),
        );
    }
    with_tensors(&all)
}

#[test]
fn a_single_file_gives_the_last_weights_or_their_average() {
    for (averages, ema, copy) in [
        (true, Ema::Last, false),
        (true, Ema::Averaged, true),
        (false, Ema::Averaged, false),
    ] {
        let file = source(small_single_file(averages));
        let checkpoint = block_on(Checkpoint::open_file(file, ema)).unwrap();
        let names = |part| -> Vec<&str> {
            let stored = checkpoint.component(part).tensors.stored();
            stored.iter().map(|stored| stored.name.as_str()).collect()
        };
        assert_eq!(names(Part::Vae), ["decoder.conv_norm_out.weight"]);
        assert_eq!(
            names(Part::TextEncoder),
            ["text_model.final_layer_norm.weight"]
        );
        assert_eq!(names(Part::Unet).len(), 101);
        let stored = &checkpoint.unet.tensors.stored()[7];
        assert_eq!(stored.name, "time_embedding.linear_1.p7");
        assert_eq!(stored.entry.name.starts_with("model_ema."), copy);
        // It says nothing of itself, so it is taken for Stable Diffusion 1.5.
        UnetConfig::from_json("", &checkpoint.unet.config).unwrap();
    }
}

fn refusal(files: &MemoryFiles) -> String {
    let result = block_on(Checkpoint::open_files(files));
    result.err().expect("it is refused").to_string()
}

const UNET_CONFIG: &str = r#"{"in_channels": 4, "cross_attention_dim": 768}"#;

#[test]
fn folders_that_are_no_checkpoint_are_refused_with_advice() {
    let with =
        |path: &str, text: &str| MemoryFiles::new("folder").with(path, text.as_bytes().to_vec());
    let cases = [
        (
            MemoryFiles::new("folder"),
            "folder: it has no unet/config.json: a folder in the diffusers layout has one, and a checkpoint in a single \
             file is named itself",
        ),
        (
            with("unet/config.json", UNET_CONFIG),
            "folder: it has no unet/diffusion_pytorch_model.safetensors",
        ),
        (
            with(
                "model_index.json",
                r#"{"_class_name": "StableDiffusionXLPipeline"}"#,
            ),
            "folder: it is a Stable Diffusion XL checkpoint: use a Stable Diffusion 1.x checkpoint (1.4, 1.5 and what \
             was trained from them)",
        ),
        (
            with("model_index.json", "<html>"),
            "folder/model_index.json: it is not the JSON it should be: expected value at line 1 column 1",
        ),
        (
            with("unet/config.json", UNET_CONFIG)
                .with("unet/diffusion_pytorch_model.bin", b"PK\x03\x04".to_vec()),
            "folder/unet/diffusion_pytorch_model.bin: it is a PyTorch pickle, which can run programs when it is opened: \
             use the .safetensors file of the same model, which nearly every model page offers",
        ),
        (
            with("unet/config.json", r#"{"in_channels": 9}"#).with(
                "unet/diffusion_pytorch_model.safetensors",
                with_tensors(&[]),
            ),
            "folder/unet/config.json: it is a Stable Diffusion 1.x inpainting checkpoint: its U-Net takes a second \
             picture: use the plain checkpoint it was made from",
        ),
        (
            with(
                "unet/config.json",
                r#"{"in_channels": 4, "cross_attention_dim": 1024}"#,
            )
            .with(
                "unet/diffusion_pytorch_model.safetensors",
                with_tensors(&[]),
            ),
            "folder/unet/config.json: it is a Stable Diffusion 2.x checkpoint: use a Stable Diffusion 1.x checkpoint \
             (1.4, 1.5 and what was trained from them)",
        ),
        (
            with("unet/config.json", UNET_CONFIG).with(
                "unet/diffusion_pytorch_model.safetensors.index.json",
                br#"{"weight_map": {"a": "part-1.safetensors"}}"#.to_vec(),
            ),
            "folder/unet/diffusion_pytorch_model.safetensors.index.json: it lists \"part-1.safetensors\", which is not \
             there: fetch it too",
        ),
    ];
    for (files, expected) in cases {
        assert_eq!(refusal(&files), expected);
    }
}

#[test]
fn shards_and_half_precision_files_are_found() {
    let part =
        |name: &'static str| with_tensors(&[(name, "F16", &[1], f16::ONE.to_le_bytes().to_vec())]);
    let files = MemoryFiles::new("folder")
        .with("unet/config.json", UNET_CONFIG.as_bytes())
        .with(
            "unet/diffusion_pytorch_model.safetensors.index.json",
            &br#"{"weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"}}"#[..],
        )
        .with("unet/1.safetensors", part("a"))
        .with("unet/2.safetensors", part("b"))
        .with("vae/config.json", &b"{}"[..])
        .with("vae/diffusion_pytorch_model.fp16.safetensors", part("decoder.x"))
        .with("text_encoder/config.json", &b"{}"[..])
        .with("text_encoder/model.safetensors", part("text_model.x"));
    let checkpoint = block_on(Checkpoint::open_files(&files)).unwrap();
    assert_eq!(checkpoint.unet.tensors.stored().len(), 2);
    assert_eq!(checkpoint.vae.tensors.stored().len(), 1);
}

#[test]
fn single_files_that_are_no_checkpoint_are_refused_with_advice() {
    let of = |bytes: Vec<u8>| {
        let file: std::rc::Rc<dyn WeightSource> = source(bytes);
        let result = block_on(Checkpoint::open_file(file, Ema::Last));
        result.err().expect("it is refused").to_string()
    };
    let one = |name: &str| with_tensors(&[(name, "F32", &[1], f32s(&[0.0]))]);
    assert_eq!(
        of(one("lora_te_text_model_encoder_layers_0_mlp_fc1.alpha")),
        "file: it is a LoRA, which changes a checkpoint and is none: use the Stable Diffusion 1.x checkpoint it was made \
         for"
    );
    assert_eq!(
        of(one("model.diffusion_model.out.2.bias")),
        "file: it holds no tensors under \"first_stage_model.\": its vae is missing"
    );
    assert_eq!(
        of(b"<!DOCTYPE html><title>401</title>".to_vec()),
        "file: it is a web page, not weights: the download was answered with an error or a log-in page, fetch it again \
         in a browser"
    );
    assert_eq!(of(Vec::new()), "file: it is empty: fetch it again");
}
