//! Every shader is valid in every storage format, and Rust writes uniform blocks as the shaders read them.
//!
//! The build validates too; here the whole source that a device is given is taken, prelude and all, and the launches
//! that real operations lower to are held against the shaders.

use std::collections::HashSet;

use guidestar::engine::{
    Op, Shape,
    op::{Conv, Interpolation, Rows, Scalar, Unary},
    wgsl::{
        kernels::{Shader, lower, supports},
        step::{After, Buffer, Dispatch, Limits, Lowered, Step, Storage, quads},
    },
};

const STORAGES: [Storage; 3] = [Storage::F32, Storage::F16, Storage::PackedF16];

/// The least that WebGPU promises.
fn floor(storage: Storage) -> Limits {
    Limits {
        storage,
        software: false,
        binding_bytes: 128 << 20,
        buffer_bytes: 256 << 20,
        workgroup_bytes: 16 << 10,
        invocations: 256,
        storage_buffers: 8,
        workgroups: 65535,
    }
}

fn step(op: Op, operands: &[&[usize]], output: &[usize]) -> Step {
    Step {
        op,
        joined: false,
        enlarged: false,
        after: Vec::new(),
        operands: operands.iter().map(|dims| Shape::from(*dims)).collect(),
        output: Shape::from(output),
    }
}

/// A step of each family.
fn steps() -> Vec<Step> {
    let conv = |groups: usize| Op::Conv2d {
        conv: Conv {
            groups,
            ..Conv::padded(1)
        },
        bias: true,
    };
    let linear = Op::Matmul {
        transposed: false,
        bias: true,
    };
    let resize = Op::Resize {
        size: [32, 32],
        interpolation: Interpolation::Bilinear,
        antialias: false,
    };
    let attention = Op::Attention {
        heads: 8,
        scale: Scalar(0.1),
        causal: false,
    };
    let probs = Op::AttentionProbs {
        heads: 2,
        scale: Scalar(0.1),
        causal: true,
    };
    let norm = Op::GroupNorm {
        groups: 32,
        eps: Scalar(1e-5),
    };
    let map: &[usize] = &[2, 16, 16, 320];
    let row: &[usize] = &[320];
    let tokens: &[usize] = &[2, 77, 320];
    vec![
        step(conv(1), &[map, &[3, 3, 320, 320], row], map),
        step(conv(320), &[map, &[3, 3, 1, 320], row], map),
        step(linear, &[map, &[320, 320], row], map),
        step(resize, &[map], &[2, 32, 32, 320]),
        step(attention, &[tokens, tokens, tokens], tokens),
        step(probs, &[tokens, tokens], &[2, 2, 77, 77]),
        step(norm, &[map, row, row], map),
        step(
            Op::LayerNorm { eps: Scalar(1e-5) },
            &[tokens, row, row],
            tokens,
        ),
        step(Op::Softmax, &[tokens], tokens),
        step(Op::Unary(Unary::Silu), &[map], map),
        step(Op::Geglu, &[tokens], &[2, 77, 160]),
        step(Op::Concat(3), &[map, &[2, 16, 16, 6]], &[2, 16, 16, 326]),
        step(Op::Reshape([2, 16, 5120].into()), &[map], &[2, 16, 5120]),
        step(Op::Reshape([3, 50].into()), &[&[30, 5]], &[3, 50]),
    ]
}

/// Asserts what holds for every launch, whatever the operation.
fn check(step: &Step, lowered: &Lowered, limits: &Limits) {
    let quad = limits.storage.quad_bytes();
    for dispatch in &lowered.dispatches {
        let Dispatch {
            shader,
            constants,
            bindings,
            params,
            scalars_at,
            workgroups,
        } = dispatch;
        let found = Shader::find(shader).unwrap_or_else(|| panic!("no shader {shader}"));
        assert_eq!(params.len() as u64 * 4, found.params_bytes, "{shader}");
        assert_eq!(bindings.len(), found.writes.len(), "{shader}");
        assert!(
            bindings.len() <= limits.storage_buffers as usize,
            "{shader}"
        );
        assert!(
            workgroups
                .iter()
                .all(|count| (1..=limits.workgroups).contains(count)),
            "{shader}: {workgroups:?}"
        );
        assert!(
            found.workgroup.iter().product::<u32>() <= limits.invocations,
            "{shader}"
        );
        let names: HashSet<_> = constants.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), constants.len(), "{shader}: {constants:?}");
        assert!(
            names.iter().all(|name| found.overrides.contains(name)),
            "{shader}: {constants:?}"
        );
        if let Some(at) = scalars_at {
            assert!(at + step.scalars().len() <= params.len(), "{shader}");
        }
        for binding in bindings {
            let whole = match binding.buffer {
                Buffer::Operand(operand) => quads(&step.operands[operand]) as u64 * quad,
                Buffer::Output => quads(&step.output) as u64 * quad,
                Buffer::Scratch(scratch) => lowered.scratch_bytes[scratch],
                Buffer::Rows => continue,
            };
            let bytes = binding.bytes.clone().unwrap_or(0..whole);
            assert_eq!(bytes.start % 256, 0, "{shader}");
            assert!(
                bytes.start < bytes.end && bytes.end <= whole,
                "{shader}: {bytes:?} of {whole}"
            );
            assert!(
                bytes.end - bytes.start <= limits.binding_bytes,
                "{shader}: {bytes:?} in one binding"
            );
        }
    }
}

#[test]
fn every_shader_is_valid_in_every_storage_format() {
    assert!(!Shader::all().is_empty());
    for shader in Shader::all() {
        for storage in STORAGES {
            let source = shader.source(storage);
            let module = wgpu::naga::front::wgsl::parse_str(&source)
                .unwrap_or_else(|error| panic!("{}", error.emit_to_string(&source)));
            let capabilities = match storage {
                Storage::F32 => wgpu::naga::valid::Capabilities::empty(),
                Storage::F16 => wgpu::naga::valid::Capabilities::SHADER_FLOAT16,
                Storage::PackedF16 => wgpu::naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32,
            };
            let flags = wgpu::naga::valid::ValidationFlags::all();
            wgpu::naga::valid::Validator::new(flags, capabilities)
                .validate(&module)
                .unwrap_or_else(|error| panic!("{}", error.emit_to_string(&source)));
        }
    }
}

#[test]
fn every_launch_fits_its_shader() {
    for storage in STORAGES {
        let limits = floor(storage);
        for step in steps() {
            assert!(supports(&step), "{step:?}");
            let lowered = lower(&step, &limits);
            assert!(!lowered.dispatches.is_empty(), "{step:?}");
            check(&step, &lowered, &limits);
        }
    }
}

#[test]
fn operands_beyond_a_binding_are_cut() {
    let limits = floor(Storage::F32);
    // The decoder's largest pictures at 512x512 are 268 MB in f32, the token table is 152 MB.
    let map: &[usize] = &[1, 512, 512, 256];
    let row: &[usize] = &[256];
    let conv = Op::Conv2d {
        conv: Conv::padded(1),
        bias: true,
    };
    let norm = Op::GroupNorm {
        groups: 32,
        eps: Scalar(1e-6),
    };
    let linear = Op::Matmul {
        transposed: false,
        bias: false,
    };
    let resize = Op::Resize {
        size: [512, 512],
        interpolation: Interpolation::Nearest,
        antialias: false,
    };
    let mut enlarged = step(
        conv.clone(),
        &[&[1, 256, 256, 256], &[3, 3, 256, 256], row],
        map,
    );
    enlarged.enlarged = true;
    let mut residual = step(conv, &[map, &[3, 3, 256, 256], row, map], map);
    residual.after = vec![After::Add];
    let rows = Rows((0..77).collect());
    for step in [
        residual,
        enlarged,
        step(norm, &[map, row, row], map),
        step(linear, &[map, &[256, 128]], &[1, 512, 512, 128]),
        step(resize, &[&[1, 256, 256, 256]], map),
        step(Op::Unary(Unary::Silu), &[map], map),
        step(Op::Gather(rows), &[&[49408, 768]], &[77, 768]),
    ] {
        assert!(supports(&step), "{step:?}");
        let lowered = lower(&step, &limits);
        assert!(lowered.dispatches.len() > 1, "{step:?}");
        check(&step, &lowered, &limits);
    }
}
