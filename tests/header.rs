//! The head of a safetensors file is believed only where it is true.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by stopping"
)]

#[path = "support/safetensors_file.rs"]
mod safetensors_file;
#[path = "support/watched.rs"]
mod watched;

use guidestar::{
    Error,
    weights::{
        header::Header,
        recognise::{Content, Format},
    },
};
use pollster::block_on;
use safetensors_file::{f32s, source, with_json, with_tensors};
use watched::Watched;

fn message(bytes: Vec<u8>) -> String {
    let error = block_on(Header::read(&*source(bytes))).unwrap_err();
    assert!(matches!(error, Error::Weights { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn a_file_in_order_is_read_in_the_order_of_its_numbers() {
    let json = r#"{"__metadata__":{"format":"pt"},
        "b":{"dtype":"F16","shape":[],"data_offsets":[8,10]},
        "none":{"dtype":"F32","shape":[0,4],"data_offsets":[8,8]},
        "a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let header = block_on(Header::read(&*source(with_json(json, &[0; 10])))).unwrap();
    let names: Vec<&str> = header.entries.iter().map(|entry| &*entry.name).collect();
    assert_eq!(names, ["a", "none", "b"]);
    assert_eq!(header.metadata["format"], "pt");
    let start = 8 + json.len() as u64;
    assert_eq!(header.find("b").unwrap().bytes, start + 8..start + 10);
    assert_eq!(header.find("b").unwrap().elements(), 1);
}

#[test]
fn what_the_published_writer_writes_is_read() {
    let data = f32s(&[1.0, 2.0]);
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 1], &data);
    let bytes = safetensors::serialize([("x", view.unwrap())], None).unwrap();
    let header = block_on(Header::read(&*source(bytes.clone()))).unwrap();
    assert_eq!(header.entries[0].shape, [2, 1]);
    let range = header.entries[0].bytes.clone();
    assert_eq!(bytes[range.start as usize..range.end as usize], data);
}

/// The head of a file with one tensor.
fn tensor(dtype: &str, shape: &str, start: u64, end: u64) -> String {
    format!(r#"{{"x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}}}"#)
}

#[test]
fn each_way_to_be_no_header_has_its_sentence() {
    let claim = |json_bytes: u64| {
        let mut bytes = with_json("{}", &[]);
        bytes[..8].copy_from_slice(&json_bytes.to_le_bytes());
        bytes
    };
    let cases: [(Vec<u8>, &str); 8] = [
        (
            vec![1, 2, 3],
            "file: it has 3 bytes, too few for a safetensors file",
        ),
        (
            claim(u64::MAX),
            "file: its header claims 18446744073709551615 bytes, over the format's limit of 100000000: this is no \
             safetensors file",
        ),
        (
            claim(99_999_999),
            "file: its header claims 99999999 bytes and the whole file has 10: it was cut short, fetch it again",
        ),
        (
            [
                &8u64.to_le_bytes()[..],
                &[b'{', 0xff, 0xfe, b'}', 0xff, b' ', b' ', b' '],
            ]
            .concat(),
            "file: its header is not text (UTF-8): it is damaged",
        ),
        (
            with_json(r#"{"x":"#, &[]),
            "file: its header is not the JSON it should be: EOF while parsing a value at line 1 column 5",
        ),
        (
            with_json("[]", &[]),
            "file: its header is not the JSON it should be: invalid type: sequence, expected an object of tensors at \
             line 1 column 0",
        ),
        (
            with_json(&tensor("F32", "[-1]", 0, 4), &[0; 4]),
            "file: its header is not the JSON it should be: invalid value: integer `-1`, expected u64 at line 1 column \
             31",
        ),
        (
            with_json(&tensor("F99", "[1]", 0, 4), &[0; 4]),
            r#"file: its tensor "x" is of type "F99", which the format does not have"#,
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(message(bytes), expected);
    }
}

#[test]
fn each_way_to_lie_about_tensors_has_its_sentence() {
    let two = |second_start: u64, second_end: u64| {
        format!(
            r#"{{"x":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}},
                "y":{{"dtype":"F32","shape":[1],"data_offsets":[{second_start},{second_end}]}}}}"#
        )
    };
    let cases: [(Vec<u8>, &str); 10] = [
        (
            with_json(&tensor("F32", "[4294967295,4294967295,4]", 0, 4), &[0; 4]),
            r#"file: its tensor "x" of shape [4294967295, 4294967295, 4] is too large to be true"#,
        ),
        (
            with_json(&tensor("F32", "[9223372036854775808,0]", 0, 0), &[]),
            r#"file: its tensor "x" of shape [9223372036854775808, 0] is too large to be true"#,
        ),
        (
            with_json(&tensor("F4", "[3]", 0, 2), &[0; 2]),
            r#"file: its tensor "x" ends in the middle of a byte"#,
        ),
        (
            with_json(&tensor("F32", "[1]", 8, 4), &[0; 8]),
            r#"file: its tensor "x" ends at 4, before its start at 8"#,
        ),
        (
            with_json(&tensor("F32", "[2,2]", 0, 8), &[0; 8]),
            r#"file: its tensor "x" of F32 [2, 2] takes 16 bytes and is given 8"#,
        ),
        (
            with_json(&tensor("F32", "[2]", 0, 8), &[0; 7]),
            "file: its tensor \"x\" ends at byte 8 of the numbers and there are 7: the file was cut short, fetch it \
             again",
        ),
        (
            with_json(&two(4, 8), &[0; 8]),
            r#"file: its tensors "x" and "y" overlap"#,
        ),
        (
            with_json(&two(12, 16), &[0; 16]),
            r#"file: 4 bytes before its tensor "y" belong to nothing"#,
        ),
        (
            with_json(&tensor("F32", "[1]", 0, 4), &[0; 9]),
            "file: 5 bytes after its last tensor belong to nothing",
        ),
        (
            with_tensors(&[
                ("x", "F32", &[1], f32s(&[1.0])),
                ("x", "F32", &[1], f32s(&[2.0])),
            ]),
            r#"file: it holds two tensors named "x""#,
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(message(bytes), expected);
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    let cases: [(&[u8], Format); 10] = [
        (b"", Format::Empty),
        (b"PK\x03\x04\x00\x00archive/data.pkl", Format::Pickle),
        (b"\x80\x02}q\x00", Format::Pickle),
        (b"GGUF\x03\x00\x00\x00", Format::Gguf),
        (b"\x08\x07\x12\x07pytorch", Format::Onnx),
        (b"  <!DOCTYPE html><html>", Format::Html),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            Format::LfsPointer,
        ),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00{}", Format::Safetensors),
        (
            br#"{"error":"Access to model is restricted"}"#,
            Format::Text,
        ),
        (b"\x89PNG\r\n\x1a\n", Format::Unknown),
    ];
    for (head, format) in cases {
        assert_eq!(Format::of(head, head.len() as u64), format, "{head:?}");
        assert_eq!(format.problem().is_none(), format == Format::Safetensors);
    }
}

#[test]
fn checkpoints_of_other_kinds_are_named() {
    const TO_K: &str =
        "model.diffusion_model.input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight";
    const CONV_IN: &str = "model.diffusion_model.input_blocks.0.0.weight";
    let cases: [(&str, &[usize], Content); 19] = [
        (CONV_IN, &[1, 4, 1, 1], Content::Sd1),
        (CONV_IN, &[1, 9, 1, 1], Content::Sd1Inpainting),
        (CONV_IN, &[1, 8, 1, 1], Content::Sd1InstructPix2Pix),
        (TO_K, &[1, 1024], Content::Sd2),
        (TO_K, &[1, 768], Content::Sd1),
        ("cond_stage_model.model.ln_final.weight", &[1], Content::Sd2),
        ("conditioner.embedders.0.transformer.x", &[1], Content::Sdxl),
        ("model.diffusion_model.joint_blocks.0.x", &[1], Content::Sd3),
        ("double_blocks.0.img_attn.proj.weight", &[1], Content::Flux),
        (
            "lora_unet_mid_block_attentions_0.alpha",
            &[1],
            Content::Lora,
        ),
        (
            "unet.down_blocks.0.to_q.lora.up.weight",
            &[1],
            Content::Lora,
        ),
        ("<my-cat>", &[768], Content::TextualInversion),
        ("emb_params", &[4, 768], Content::TextualInversion),
        ("controlnet_mid_block.weight", &[1], Content::ControlNet),
        ("down_blocks.0.resnets.0.norm1.weight", &[1], Content::Unet),
        ("decoder.mid_block.resnets.0.norm1.bias", &[1], Content::Vae),
        ("decoder.layers.0.weight", &[1], Content::TinyVae),
        (
            "text_model.final_layer_norm.bias",
            &[1],
            Content::TextEncoder,
        ),
        ("something.else", &[1], Content::Unknown),
    ];
    for (name, shape, content) in cases {
        let elements = shape.iter().product();
        let bytes = with_tensors(&[(name, "F32", shape, f32s(&vec![0.0; elements]))]);
        let header = block_on(Header::read(&*source(bytes))).unwrap();
        assert_eq!(Content::of(&header), content, "{name}");
    }
    assert_eq!(
        Content::Sdxl
            .require_sd1("big.safetensors")
            .unwrap_err()
            .to_string(),
        "big.safetensors: it is a Stable Diffusion XL checkpoint: use a Stable Diffusion 1.x checkpoint (1.4, 1.5 and \
         what was trained from them)"
    );
}

/// Damages good files in a few thousand ways, always the same ones. What the fuzz target finds belongs here.
#[test]
fn no_damage_makes_the_reader_panic_or_read_much() {
    let good = with_tensors(&[
        ("first", "F32", &[2, 3], f32s(&[0.5; 6])),
        ("second", "F16", &[4], vec![0; 8]),
        ("third", "I8", &[3, 1, 1], vec![1; 3]),
    ]);
    let mut state = 1u64;
    let mut draw = |below: usize| {
        // Knuth's MMIX generator; its upper bits are good.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let tokens = [
        "[",
        "]",
        "{",
        "}",
        "-",
        "9",
        "99999999999999999999",
        "e9",
        "\"",
        "\\u0000",
        ",",
    ];
    let mut refused = 0;
    for _ in 0..5000 {
        let mut bytes = good.clone();
        for _ in 0..=draw(3) {
            let at = draw(bytes.len());
            match draw(4) {
                0 => bytes[at] = draw(256) as u8,
                1 => bytes.truncate(at.max(1)),
                2 => {
                    let token = tokens[draw(tokens.len())].bytes();
                    bytes.splice(at..at, token);
                    // Keep the length true, so that the JSON itself is tried.
                    if let Some(head) = bytes.first_chunk_mut::<8>() {
                        *head = (u64::from_le_bytes(*head) + 1).to_le_bytes();
                    }
                }
                _ => {
                    bytes.remove(at);
                    if bytes.is_empty() {
                        bytes.push(0);
                    }
                }
            }
        }
        let size = bytes.len() as u64;
        let watched = Watched::new(source(bytes));
        match block_on(Header::read(&watched)) {
            Ok(header) => {
                let end = header.entries.last().map_or(0, |entry| entry.bytes.end);
                assert!(end <= size);
            }
            Err(Error::Weights { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
        assert!(watched.longest.get() <= size && watched.reads.get() <= 2);
    }
    assert!(refused > 4000, "{refused} of 5000 were refused");
}
