//! Tensors arrive on a device as their files hold them, or are refused by name before anything arrives.
#![cfg(feature = "cpu")]

#[path = "support/safetensors_file.rs"]
mod safetensors_file;
#[path = "support/watched.rs"]
mod watched;

use std::rc::Rc;

use guidestar::{
    Error, Result,
    models::{Kind, Needed, Parameters},
    tensor::{DType, Device},
    weights::{
        Part, Progress,
        header::Header,
        load::{check, device_bytes, load},
        names,
        tensors::{Tensors, read_tensor},
        write::save_tensors,
    },
};
use half::{bf16, f16};
use pollster::block_on;
use safetensors_file::{Raw, f32s, source, with_tensors};
use watched::Watched;

fn tensors(part: Part, files: &[&[Raw<'_>]]) -> Result<Tensors> {
    let mut tensors = Tensors::default();
    for file in files {
        let source = source(with_tensors(file));
        let header = block_on(Header::read(&*source))?;
        tensors.add(source, &header, |name| names::canonical(part, name))?;
    }
    Ok(tensors)
}

fn vector(name: &str, length: usize) -> Needed {
    Needed {
        name: name.to_owned(),
        kind: Kind::Vector(length),
    }
}

fn ones(name: &'static str, shape: &'static [usize]) -> Raw<'static> {
    let elements = shape.iter().product();
    (name, "F32", shape, f32s(&vec![1.0; elements]))
}

/// Loads one tensor of a file and reads it back.
fn loaded(file: &[Raw<'_>], name: &str, kind: Kind) -> Result<Vec<f32>> {
    let device = Device::cpu()?;
    let needed = [Needed {
        name: name.to_owned(),
        kind,
    }];
    let tensors = tensors(Part::Unet, &[file])?;
    let mut loaded = block_on(load(&tensors, &needed, &device, &mut |_| {}))?;
    block_on(loaded.take(name, kind)?.read())
}

#[test]
fn every_storage_arrives_as_the_same_numbers() {
    let numbers = [1.0f32, -0.5, 3.0, 0.25];
    let stored: [(&str, Vec<u8>); 6] = [
        ("F32", f32s(&numbers)),
        (
            "F64",
            numbers
                .iter()
                .flat_map(|&x| f64::from(x).to_le_bytes())
                .collect(),
        ),
        (
            "F16",
            numbers
                .iter()
                .flat_map(|&x| f16::from_f32(x).to_le_bytes())
                .collect(),
        ),
        (
            "BF16",
            numbers
                .iter()
                .flat_map(|&x| bf16::from_f32(x).to_le_bytes())
                .collect(),
        ),
        ("F8_E4M3", vec![0x38, 0xb0, 0x44, 0x28]),
        ("F8_E5M2", vec![0x3c, 0xb8, 0x42, 0x34]),
    ];
    for (dtype, bytes) in stored {
        let found = loaded(&[("x", dtype, &[4], bytes)], "x", Kind::Vector(4)).unwrap();
        assert_eq!(found, numbers, "{dtype}");
    }
}

#[test]
fn eight_bit_integers_are_multiplied_by_the_scale_of_their_output_channel() {
    let kind = Kind::Linear {
        outputs: 2,
        inputs: 3,
    };
    // Handed over [inputs, outputs].
    let expected = [1.0, 40.0, -2.0, 50.0, 3.0, -60.0];
    for (dtype, zero) in [("I8", 0), ("U8", 128u8)] {
        let bytes = [1u8, 254, 3, 4, 5, 250]
            .map(|x| x.wrapping_add(zero))
            .to_vec();
        let file: [Raw<'_>; 2] = [
            ("x.scale", "F32", &[2], f32s(&[1.0, 10.0])),
            ("x", dtype, &[2, 3], bytes),
        ];
        assert_eq!(loaded(&file, "x", kind).unwrap(), expected, "{dtype}");
    }
    let without = loaded(&[("x", "I8", &[2, 3], vec![0; 6])], "x", kind);
    assert_eq!(
        without.unwrap_err().to_string(),
        r#"file: its 8-bit tensor "x" needs 2 F32 scales under the name "x.scale""#
    );
}

#[test]
fn tensors_longer_than_a_piece_arrive_whole_and_nothing_is_read_whole() {
    let (rows, columns) = (1201, 1009);
    let numbers: Vec<i8> = (0..rows * columns)
        .map(|index| (index % 251) as i8)
        .collect();
    let scales: Vec<f32> = (0..rows).map(|row| 1.0 + row as f32).collect();
    let bytes: Vec<u8> = numbers.iter().map(|x| x.cast_unsigned()).collect();
    let wide: Vec<f32> = (0..rows * columns).map(|index| index as f32).collect();
    let file = with_tensors(&[
        ("narrow.scale", "F32", &[rows], f32s(&scales)),
        ("wide", "F32", &[rows, columns], f32s(&wide)),
        ("narrow", "I8", &[rows, columns], bytes),
        ("small", "F32", &[1], f32s(&[7.0])),
    ]);
    let watched = Rc::new(Watched::new(source(file)));
    let header = block_on(Header::read(&*watched)).unwrap();
    let mut tensors = Tensors::default();
    tensors
        .add(watched.clone(), &header, |name| Some(name.to_owned()))
        .unwrap();
    let kind = Kind::Table { rows, columns };
    let needed = [
        Needed {
            name: "narrow".to_owned(),
            kind,
        },
        Needed {
            name: "wide".to_owned(),
            kind,
        },
        vector("small", 1),
    ];
    let device = Device::cpu().unwrap();
    let mut told: Vec<Progress> = Vec::new();
    let tell = &mut |progress| told.push(progress);
    let mut loaded = block_on(load(&tensors, &needed, &device, tell)).unwrap();

    assert_eq!(
        block_on(loaded.take("wide", kind).unwrap().read()).unwrap(),
        wide
    );
    let narrow = block_on(loaded.take("narrow", kind).unwrap().read()).unwrap();
    let expected = numbers.iter().enumerate();
    let expected: Vec<f32> = expected
        .map(|(i, &x)| f32::from(x) * scales[i / columns])
        .collect();
    assert_eq!(narrow, expected);

    assert!(
        watched.longest.get() <= 4 << 20,
        "{}",
        watched.longest.get()
    );
    assert!(watched.reads.get() <= 7, "{}", watched.reads.get());
    assert_eq!(told.first().unwrap().done_bytes, 0);
    assert_eq!(told.last().unwrap().done_bytes, tensors.stored_bytes());
    assert!(
        told.iter()
            .all(|at| at.total_bytes == tensors.stored_bytes())
    );
    assert!(told.is_sorted_by_key(|at| at.done_bytes));
}

#[test]
fn kernels_and_matrices_are_laid_out_for_the_engines() {
    let numbers: Vec<f32> = (0..24).map(|index| index as f32).collect();
    let kind = Kind::Conv {
        outputs: 2,
        inputs: 3,
        kernel: [2, 2],
    };
    let found = loaded(&[("x", "F32", &[2, 3, 2, 2], f32s(&numbers))], "x", kind).unwrap();
    // [kh, kw, inputs, outputs]: the first six are the kernel's first tap.
    assert_eq!(found[..6], [0.0, 12.0, 4.0, 16.0, 8.0, 20.0]);
}

#[test]
fn a_projection_may_be_a_matrix_or_a_1x1_convolution() {
    let linear = Kind::Linear {
        outputs: 2,
        inputs: 1,
    };
    let conv = Kind::Conv {
        outputs: 2,
        inputs: 1,
        kernel: [1, 1],
    };
    let shapes: [&[usize]; 2] = [&[2, 1], &[2, 1, 1, 1]];
    for shape in shapes {
        for kind in [linear, conv] {
            let file = [("x", "F32", shape, f32s(&[1.0, 2.0]))];
            assert_eq!(loaded(&file, "x", kind).unwrap(), [1.0, 2.0]);
        }
    }
    let error = loaded(&[ones("x", &[2, 1, 3, 3])], "x", linear).unwrap_err();
    assert!(matches!(error, Error::WeightShape { .. }));
}

#[test]
fn what_does_not_fit_the_model_is_named_before_anything_is_loaded() {
    let have = tensors(Part::Unet, &[&[ones("a", &[2]), ones("b", &[2])]]).unwrap();
    let message = |needed: &[Needed]| check(&have, needed).unwrap_err().to_string();
    assert_eq!(
        message(&["a", "c", "d", "e", "f"].map(|name| vector(name, 2))),
        "file: 4 of the 5 tensors that the model needs are missing: c, d, e and 1 more"
    );
    assert_eq!(
        message(&[vector("a", 2)]),
        "file: the model has no place for 1 of its tensors: b; does the config belong to these weights?"
    );
    assert_eq!(
        message(&[vector("a", 2), vector("b", 3)]),
        r#"weight "b" is [2], the model needs [3]"#
    );
}

#[test]
fn half_an_autoencoder_can_be_left_where_it_is() {
    let names = [
        "encoder.conv_in.bias",
        "quant_conv.bias",
        "decoder.conv_in.bias",
    ];
    let have = tensors(Part::Vae, &[&names.map(|name| ones(name, &[2]))]).unwrap();
    let needed = [vector("decoder.conv_in.bias", 2)];
    assert_eq!(check(&have, &needed).unwrap().len(), 1);
}

#[test]
fn numbers_that_are_none_are_refused() {
    let file = [("x", "F32", &[3][..], f32s(&[1.0, f32::NAN, 2.0]))];
    assert_eq!(
        loaded(&file, "x", Kind::Vector(3)).unwrap_err().to_string(),
        r#"file: its tensor "x" holds NaN at 1: the file is damaged, fetch it again"#
    );
    let file = [("x", "I64", &[1][..], vec![0; 8])];
    assert_eq!(
        loaded(&file, "x", Kind::Vector(1)).unwrap_err().to_string(),
        r#"file: its tensor "x" is stored as I64, which holds no weights: F32, F16, BF16, F64, F8 and I8 do"#
    );
}

#[test]
fn names_of_other_times_load_and_two_of_one_kind_do_not() {
    let then = ones("decoder.mid_block.attentions.0.query.bias", &[2]);
    let now = ones("decoder.mid_block.attentions.0.to_q.bias", &[2]);
    let have = tensors(Part::Vae, &[std::slice::from_ref(&then)]).unwrap();
    check(&have, &[vector(now.0, 2)]).unwrap();
    let both = tensors(Part::Vae, &[&[then], &[now]]).err().unwrap();
    assert_eq!(
        both.to_string(),
        r#"file: it holds "decoder.mid_block.attentions.0.to_q.bias" twice, as "decoder.mid_block.attentions.0.query.bias" and as "decoder.mid_block.attentions.0.to_q.bias""#
    );
}

#[test]
fn memory_is_known_before_anything_is_read() {
    let kind = Kind::Table {
        rows: 10,
        columns: 10,
    };
    let needed = [
        Needed {
            name: "x".to_owned(),
            kind,
        },
        vector("y", 5),
    ];
    assert_eq!(device_bytes(&needed, DType::F16), 210);
    assert_eq!(device_bytes(&needed, DType::F32), 420);
}

#[test]
fn saved_tensors_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latents.safetensors");
    let numbers = [1.0, -2.5, 0.0, 4.0];
    save_tensors(&path, &[("latents", &[1, 4, 1, 1], &numbers)]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    // The crate that defines the format reads it too.
    let judge = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(judge.tensor("latents").unwrap().data(), f32s(&numbers));

    let (shape, found) = block_on(read_tensor(source(bytes.clone()), "latents")).unwrap();
    assert_eq!((shape, found), (vec![1, 4, 1, 1], numbers.to_vec()));
    let error = block_on(read_tensor(source(bytes), "noise")).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"file: it has no tensor "noise", only latents"#
    );
    // Nothing is left beside it, nor where it could not be written.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = folder.path().join("missing/latents.safetensors");
    let error = save_tensors(&nowhere, &[("latents", &[1], &[0.0])]).unwrap_err();
    assert!(matches!(error, Error::Write { .. }));
    assert!(!nowhere.parent().unwrap().exists());
}
