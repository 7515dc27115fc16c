//! What is measured.

use super::Shapes;
use crate::{
    diffusion::{Noise, NoiseSource},
    error::Result,
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
    async fn count(device: &Device, build: impl FnOnce(&Device) -> Result<Tensor>) -> Result<Self> {
        let planner = device.estimator();
        let result = build(&planner)?;
        let steps = planner.profile(&[&result]).await?;
        Ok(Self {
            flops: steps.iter().map(|step| step.flops).sum(),
            bytes: steps.iter().map(|step| step.bytes).sum(),
        })
    }
}

/// A case that is a function of tensors of these shapes.
async fn case(
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
    let work = Work::count(device, |planner| Ok(run(&constants(planner)?))).await?;
    Ok(Case {
        name: name.into(),
        inputs: constants(device)?,
        run: Box::new(run),
        work,
    })
}

/// A large matrix product and a large copy: the most this device does.
///
/// # Errors
/// When the device has no room.
pub async fn ceilings(device: &Device) -> Result<[Case; 2]> {
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
        )
        .await?,
        case(device, "copy", &[&[rows, 4096]], |x| x[0].affine(1.0, 1.0)).await?,
    ])
}

/// Shapes of one level of a U-Net: side, channels, heads.
type Level = (usize, usize, usize);

/// The operations that a U-Net spends its time on, at the shapes it has.
///
/// # Errors
/// When the device has no room.
pub async fn operations(device: &Device, shapes: Shapes) -> Result<Vec<Case>> {
    let (levels, context): (&[Level], usize) = match shapes {
        Shapes::Sd15 => (&[(64, 320, 8), (32, 640, 8), (16, 1280, 8)], 768),
        Shapes::Mini => (&[(16, 48, 4), (8, 96, 4), (4, 128, 4)], 128),
    };
    let mut cases = Vec::new();
    for &(side, channels, _) in levels {
        let x: &[usize] = &[1, side, side, channels];
        cases.push(
            case(
                device,
                format!("conv 3x3 {side}x{side}x{channels}"),
                &[x, &[3, 3, channels, channels], &[channels]],
                |x| x[0].conv2d(&x[1], Some(&x[2]), Conv::padded(1)),
            )
            .await?,
        );
    }
    for &(side, channels, heads) in levels {
        let (tokens, width) = (side * side, channels / heads);
        let q: &[usize] = &[1, tokens, channels];
        let scale = (width as f64).powf(-0.5);
        cases.push(
            case(
                device,
                format!("attention {heads} heads {tokens}x{width}"),
                &[q, q, q],
                move |x| x[0].attention(&x[1], &x[2], heads, scale, false),
            )
            .await?,
        );
        let k: &[usize] = &[1, 77, channels];
        cases.push(
            case(
                device,
                format!("attention {heads} heads {tokens}x{width} to 77 words"),
                &[q, k, k],
                move |x| x[0].attention(&x[1], &x[2], heads, scale, false),
            )
            .await?,
        );
    }
    for &(side, channels, _) in levels {
        let tokens = side * side;
        let x: &[usize] = &[1, tokens, channels];
        cases.push(
            case(
                device,
                format!("geglu {tokens}x{channels}"),
                &[x, &[channels, 8 * channels], &[8 * channels]],
                |x| x[0].matmul(&x[1], Some(&x[2])).geglu(),
            )
            .await?,
        );
        cases.push(
            case(
                device,
                format!("matmul {tokens}x{channels}x{channels}"),
                &[x, &[channels, channels], &[channels]],
                |x| x[0].matmul(&x[1], Some(&x[2])),
            )
            .await?,
        );
        cases.push(
            case(
                device,
                format!("group norm and silu {side}x{side}x{channels}"),
                &[&[1, side, side, channels], &[channels], &[channels]],
                |x| x[0].group_norm(&x[1], &x[2], 16, 1e-5).silu(),
            )
            .await?,
        );
        cases.push(
            case(
                device,
                format!("layer norm {tokens}x{channels}"),
                &[x, &[channels], &[channels]],
                |x| x[0].layer_norm(&x[1], &x[2], 1e-5),
            )
            .await?,
        );
    }
    let (_, channels, _) = levels[0];
    cases.push(
        case(
            device,
            format!("matmul 77x{context}x{channels}"),
            &[&[1, 77, context], &[context, channels]],
            |x| x[0].matmul(&x[1], None),
        )
        .await?,
    );
    Ok(cases)
}

/// The networks of a picture, built one at a time: their weights take room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// On a prompt and a negative prompt.
    TextEncoder,
    /// On both at once, as guidance takes it.
    Unet,
    /// Of one picture.
    Decoder,
}

/// All networks of a picture.
pub const PASSES: [Pass; 3] = [Pass::TextEncoder, Pass::Unet, Pass::Decoder];

impl Pass {
    /// What it is.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextEncoder => "text encoder, two prompts",
            Self::Unet => "u-net pass with guidance (batch 2)",
            Self::Decoder => "decoder",
        }
    }

    /// Builds it with drawn weights.
    ///
    /// # Errors
    /// When the device has no room.
    pub async fn build(
        self,
        device: &Device,
        blueprint: &Blueprint,
        job: &CheckedJob,
    ) -> Result<Case> {
        match self {
            Self::TextEncoder => text_encoder(device, blueprint).await,
            Self::Unet => unet(device, blueprint, job).await,
            Self::Decoder => decoder(device, blueprint, job).await,
        }
    }
}

async fn text_encoder(device: &Device, blueprint: &Blueprint) -> Result<Case> {
    let config = &blueprint.text_encoder;
    let tokens = vec![1; config.max_position_embeddings];
    let forward = move |network: &ClipText| network.forward(&[tokens.clone(), tokens.clone()]);
    let work = Work::count(device, |planner| {
        let network = Recorder::build_on(planner, |parameters| ClipText::new(config, parameters))?;
        Ok(forward(&network))
    })
    .await?;
    let network = ClipText::new(config, &mut Random::new(device))?;
    Ok(Case {
        name: Pass::TextEncoder.name().to_owned(),
        inputs: Vec::new(),
        run: Box::new(move |_| forward(&network)),
        work,
    })
}

async fn unet(device: &Device, blueprint: &Blueprint, job: &CheckedJob) -> Result<Case> {
    let [h, w] = job.latent_size();
    let config = &blueprint.unet;
    let tokens = blueprint.text_encoder.max_position_embeddings;
    let context = [2, tokens, config.cross_attention_dim];
    let inputs = |device: &Device| vec![drawn(device, &[2, h, w, 4]), drawn(device, &context)];
    let work = Work::count(device, |planner| {
        let network = Recorder::build_on(planner, |parameters| Unet::new(config, parameters))?;
        let x = inputs(planner);
        Ok(network.forward(&x[0], &[500], &x[1], &mut NoTap))
    })
    .await?;
    let network = Unet::new(config, &mut Random::new(device))?;
    Ok(Case {
        name: format!("{} {}", Pass::Unet.name(), job.size),
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

async fn decoder(device: &Device, blueprint: &Blueprint, job: &CheckedJob) -> Result<Case> {
    let [h, w] = job.latent_size();
    let config = &blueprint.autoencoder;
    let latents = |device: &Device| drawn(device, &[1, h, w, 4]);
    let work = Work::count(device, |planner| {
        let network =
            Recorder::build_on(planner, |parameters| Autoencoder::new(config, parameters))?;
        Ok(network.decode(&latents(planner)))
    })
    .await?;
    let network = Autoencoder::new(config, &mut Random::new(device))?;
    Ok(Case {
        name: format!("{} {}", Pass::Decoder.name(), job.size),
        inputs: vec![latents(device)],
        run: Box::new(move |x| network.decode(&x[0])),
        work,
    })
}
