//! What is measured.

use super::ConfigFlag;
use crate::{
    Result,
    diffusion::{Noise, NoiseSource},
    models::{Autoencoder, ClipText, Random, Recorder, Unet, unet::NoTap},
    session::{Blueprint, CheckedJob},
    tensor::{Conv, Device, Tensor},
};

/// Something to measure: a function of tensors that are on the device.
pub struct Case {
    /// Operation and shape.
    pub name: String,
    /// What it is given.
    pub inputs: Vec<Tensor>,
    /// What it does.
    pub run: Run,
    /// How much that is.
    pub work: Work,
}

type Run = Box<dyn Fn(&[Tensor]) -> Tensor>;

/// How much work something is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Operations; a multiply-add is two.
    pub flops: u64,
    /// Bytes to move at least.
    pub bytes: u64,
}

impl Work {
    /// Counts the work of what `build` builds on a device that only plans.
    fn count(device: &Device, build: impl FnOnce(&Device) -> Result<Tensor>) -> Result<Self> {
        let planner = device.estimator();
        let result = build(&planner)?;
        let steps = pollster::block_on(planner.profile(&[&result]))?;
        Ok(Self {
            flops: steps.iter().map(|step| step.flops).sum(),
            bytes: steps.iter().map(|step| step.bytes).sum(),
        })
    }
}

/// A case that is a function of tensors of these shapes.
fn case(
    device: &Device,
    name: impl Into<String>,
    shapes: &[&[usize]],
    run: impl Fn(&[Tensor]) -> Tensor + 'static,
) -> Result<Case> {
    let constants = |device: &Device| -> Result<Vec<Tensor>> {
        let constants = shapes.iter().map(|&shape| {
            // Small and uneven, so that nothing overflows and no branch is always taken.
            let count = shape.iter().product();
            let elements: Vec<f32> = (0..count)
                .map(|i: usize| (i * 7 % 13) as f32 / 64.0 - 0.1)
                .collect();
            device.constant(shape, &elements)
        });
        constants.collect()
    };
    let work = Work::count(device, |planner| Ok(run(&constants(planner)?)))?;
    Ok(Case {
        name: name.into(),
        inputs: constants(device)?,
        run: Box::new(run),
        work,
    })
}

/// A large matrix product and a large copy: the most this device does.
pub fn ceilings(device: &Device) -> Result<[Case; 2]> {
    let is_processor = device.info().software;
    let side = if is_processor { 1024 } else { 4096 };
    let megabytes = if is_processor { 32 } else { 64 };
    let rows = (megabytes << 20) / 4096 / device.dtype().bytes() as usize;
    Ok([
        case(
            device,
            "matrix product",
            &[&[side, side], &[side, side]],
            |x| x[0].matmul(&x[1], None),
        )?,
        case(device, "copy", &[&[rows, 4096]], |x| x[0].affine(1.0, 1.0))?,
    ])
}

/// Shapes of one level of a U-Net: side, channels, heads.
type Level = (usize, usize, usize);

/// The operations that a U-Net spends its time on, at the shapes it has.
///
/// # Errors
/// When the device has no room.
pub fn operations(device: &Device, config: ConfigFlag) -> Result<Vec<Case>> {
    let (levels, context): (&[Level], usize) = match config {
        ConfigFlag::Sd15 => (&[(64, 320, 8), (32, 640, 8), (16, 1280, 8)], 768),
        ConfigFlag::Mini => (&[(16, 48, 4), (8, 96, 4), (4, 128, 4)], 128),
    };
    let mut cases = Vec::new();
    for &(side, channels, _) in levels {
        let x: &[usize] = &[1, side, side, channels];
        cases.push(case(
            device,
            format!("conv 3x3 {side}x{side}x{channels}"),
            &[x, &[3, 3, channels, channels], &[channels]],
            |x| x[0].conv2d(&x[1], Some(&x[2]), Conv::padded(1)),
        )?);
    }
    for &(side, channels, heads) in levels {
        let (tokens, width) = (side * side, channels / heads);
        let q: &[usize] = &[1, tokens, channels];
        let scale = (width as f64).powf(-0.5);
        cases.push(case(
            device,
            format!("attention {heads} heads {tokens}x{width}"),
            &[q, q, q],
            move |x| x[0].attention(&x[1], &x[2], heads, scale, false),
        )?);
        let k: &[usize] = &[1, 77, channels];
        cases.push(case(
            device,
            format!("attention {heads} heads {tokens}x{width} to 77 words"),
            &[q, k, k],
            move |x| x[0].attention(&x[1], &x[2], heads, scale, false),
        )?);
    }
    for &(side, channels, _) in levels {
        let tokens = side * side;
        let x: &[usize] = &[1, tokens, channels];
        cases.push(case(
            device,
            format!("geglu {tokens}x{channels}"),
            &[x, &[channels, 8 * channels], &[8 * channels]],
            |x| x[0].matmul(&x[1], Some(&x[2])).geglu(),
        )?);
        cases.push(case(
            device,
            format!("matmul {tokens}x{channels}x{channels}"),
            &[x, &[channels, channels], &[channels]],
            |x| x[0].matmul(&x[1], Some(&x[2])),
        )?);
        cases.push(case(
            device,
            format!("group norm and silu {side}x{side}x{channels}"),
            &[&[1, side, side, channels], &[channels], &[channels]],
            |x| x[0].group_norm(&x[1], &x[2], 16, 1e-5).silu(),
        )?);
        cases.push(case(
            device,
            format!("layer norm {tokens}x{channels}"),
            &[x, &[channels], &[channels]],
            |x| x[0].layer_norm(&x[1], &x[2], 1e-5),
        )?);
    }
    let (_, channels, _) = levels[0];
    cases.push(case(
        device,
        format!("matmul 77x{context}x{channels}"),
        &[&[1, 77, context], &[context, channels]],
        |x| x[0].matmul(&x[1], None),
    )?);
    Ok(cases)
}

/// A whole network, which is built only when it is measured: its weights take room.
pub struct Pass {
    /// What it is.
    pub name: &'static str,
    /// Builds it with drawn weights.
    pub build: fn(&Device, &Blueprint, &CheckedJob) -> Result<Case>,
}

/// The three networks of a picture.
pub fn passes() -> [Pass; 3] {
    [
        Pass {
            name: "text encoder, two prompts",
            build: text_encoder,
        },
        Pass {
            name: "u-net pass with guidance (batch 2)",
            build: unet,
        },
        Pass {
            name: "decoder",
            build: decoder,
        },
    ]
}

fn text_encoder(device: &Device, blueprint: &Blueprint, _: &CheckedJob) -> Result<Case> {
    let config = &blueprint.text_encoder;
    let tokens = vec![1; config.max_position_embeddings];
    let forward = move |network: &ClipText| network.forward(&[tokens.clone(), tokens.clone()]);
    let work = Work::count(device, |planner| {
        let network = Recorder::build_on(planner, |parameters| ClipText::new(config, parameters))?;
        Ok(forward(&network))
    })?;
    let network = ClipText::new(config, &mut Random::new(device))?;
    Ok(Case {
        name: "text encoder, two prompts".to_owned(),
        inputs: Vec::new(),
        run: Box::new(move |_| forward(&network)),
        work,
    })
}

fn unet(device: &Device, blueprint: &Blueprint, job: &CheckedJob) -> Result<Case> {
    let [h, w] = job.latent_size();
    let config = &blueprint.unet;
    let tokens = blueprint.text_encoder.max_position_embeddings;
    let context = [2, tokens, config.cross_attention_dim];
    let inputs = |device: &Device| vec![drawn(device, &[2, h, w, 4]), drawn(device, &context)];
    let work = Work::count(device, |planner| {
        let network = Recorder::build_on(planner, |parameters| Unet::new(config, parameters))?;
        let x = inputs(planner);
        Ok(network.forward(&x[0], &[500], &x[1], &mut NoTap))
    })?;
    let network = Unet::new(config, &mut Random::new(device))?;
    Ok(Case {
        name: format!("u-net pass with guidance (batch 2) {}", job.size),
        inputs: inputs(device),
        run: Box::new(move |x| network.forward(&x[0], &[500], &x[1], &mut NoTap)),
        work,
    })
}

/// Noise of a shape.
fn drawn(device: &Device, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    device.tensor(shape, Noise::new(NoiseSource::Guidestar, 0).draw(count))
}

fn decoder(device: &Device, blueprint: &Blueprint, job: &CheckedJob) -> Result<Case> {
    let [h, w] = job.latent_size();
    let config = &blueprint.autoencoder;
    let latents = |device: &Device| drawn(device, &[1, h, w, 4]);
    let work = Work::count(device, |planner| {
        let network =
            Recorder::build_on(planner, |parameters| Autoencoder::new(config, parameters))?;
        Ok(network.decode(&latents(planner)))
    })?;
    let network = Autoencoder::new(config, &mut Random::new(device))?;
    Ok(Case {
        name: format!("decoder {}", job.size),
        inputs: vec![latents(device)],
        run: Box::new(move |x| network.decode(&x[0])),
        work,
    })
}
