//! Stable Diffusion 1.5 at full size with drawn parameters: agreement with diffusers, time and memory.
//!
//! `tests/fixtures/full_size.py` writes the file to compare with; without one only time and memory are shown:
//!
//! ```sh
//! cargo run --release --example full_size -- cpu target/full_size.safetensors
//! cargo run --release --example full_size -- f16
//! ```
//!
//! The devices are `cpu`, and on the GPU `f32`, `f16` and `packed` (f16 without the shader feature). `FULL_SIZE=pass` stops
//! after the comparison; `FULL_SIZE=step` makes one guided step instead of two.
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::{env, fs, rc::Rc, time::Instant};

use anyhow::{Context, Result, bail};
use guidestar::{
    diffusion::{Ddim, Level, Sampler, schedule::PredictionType},
    engine::{Precision, wgsl::Options},
    guidance::{Cfg, Denoiser},
    models::{
        Autoencoder, ClipText, Random, Unet,
        config::{AutoencoderConfig, ClipTextConfig, UnetConfig},
        unet::NoTap,
    },
    tensor::{Device, Tensor},
};
use pollster::block_on;
use safetensors::SafeTensors;

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (name, file) = match &arguments[..] {
        [name] => (name, None),
        [name, file] => (name, Some(file)),
        _ => bail!("say which device, cpu, f32, f16 or packed, and perhaps a file to compare with"),
    };
    let device = open(name)?;
    println!("device: {} ({})", device.info().name, device.info().api);

    let unet = timed("U-Net's parameters drawn", || {
        Ok(Unet::new(&UnetConfig::sd15(), &mut Random::new(&device))?)
    })?;
    if let Some(file) = file {
        compare(&unet, &device, file)?;
    }
    let extent = env::var("FULL_SIZE").unwrap_or_default();
    if extent != "pass" {
        // The second step of a plan is the one that shows what a step costs.
        let steps: &[_] = match extent.as_str() {
            "step" => &["guided step"],
            _ => &["first guided step", "second guided step"],
        };
        let latents = step(unet, &device, steps)?;
        decode(&latents)?;
    }
    report_memory(&device);
    Ok(())
}

fn open(name: &str) -> Result<Device> {
    let options = |precision, packed| Options {
        precision,
        packed,
        ..Options::default()
    };
    Ok(match name {
        "cpu" => Device::cpu()?,
        "f32" => block_on(Device::gpu(options(Precision::F32, false)))?,
        "f16" => block_on(Device::gpu(options(Precision::F16, false)))?,
        "packed" => block_on(Device::gpu(options(Precision::F16, true)))?,
        _ => bail!("{name:?} is none of the devices cpu, f32, f16 and packed"),
    })
}

/// Times the work: on the wall, and the processor's time, which other jobs on the machine do not lengthen.
fn timed<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let (start, used) = (Instant::now(), processor_secs());
    let done = work()?;
    let wall = start.elapsed().as_secs_f64();
    let used = match (used, processor_secs()) {
        (Some(before), Some(after)) => format!(", {:.1} s of processor time", after - before),
        _ => String::new(),
    };
    println!("{what}: {wall:.1} s{used}");
    Ok(done)
}

/// Seconds that processors have worked for this process, all threads together, where Linux says so.
fn processor_secs() -> Option<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_A_SECOND)
}

fn floats(file: &SafeTensors, key: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let view = file.tensor(key)?;
    let (words, _) = view.data().as_chunks::<4>();
    let numbers = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
    Ok((view.shape().to_vec(), numbers))
}

/// One pass against the output in the file.
fn compare(unet: &Unet, device: &Device, path: &str) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("could not read {path}"))?;
    let file = SafeTensors::deserialize(&bytes)?;
    let tensor = |key| -> Result<Tensor> {
        let (shape, numbers) = floats(&file, key)?;
        Ok(device.tensor(shape, numbers))
    };
    let (x, context) = (tensor("x")?, tensor("context")?);
    let t = floats(&file, "t")?.1[0] as usize;
    let found = timed("one pass", || {
        let output = unet.forward(&x, &[t], &context, &mut NoTap);
        Ok(block_on(output.read())?)
    })?;
    let (_, expected) = floats(&file, "output")?;
    let pairs = || found.iter().zip(&expected);
    let error: f64 = pairs().map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let norm: f64 = expected.iter().map(|&b| f64::from(b).powi(2)).sum();
    println!("normalised mean square error: {:.2e}", error / norm);
    Ok(())
}

/// One guided step at 512x512, text included.
fn step(unet: Unet, device: &Device, steps: &[&str]) -> Result<Tensor> {
    let text = timed("text encoder's parameters drawn", || {
        Ok(ClipText::new(
            &ClipTextConfig::sd15(),
            &mut Random::new(device),
        )?)
    })?;
    let contexts = text.forward(&[vec![49406; 77], vec![49407; 77]]);
    let (uncond, cond) = (contexts.rows(0..1).keep()?, contexts.rows(1..2).keep()?);
    let mut denoiser = Cfg::new(Rc::new(unet), PredictionType::Epsilon, cond, uncond, 7.5);
    let ramp = (0..64 * 64 * 4).map(|i| (i as f32 * 0.1).sin()).collect();
    let x = device.tensor([1, 64, 64, 4], ramp);
    let level = |alphas_cumprod, t| Level { alphas_cumprod, t };
    let (from, to) = (level(0.0365, 801), level(0.0577, 751));
    let mut latents = x.clone();
    for what in steps {
        latents = timed(what, || {
            let prediction = denoiser.predict(&x, from, &mut NoTap)?;
            let next = Ddim::deterministic().step(&x, &prediction.eps, from, to);
            device.eval(&[&next])?;
            block_on(next.read())?;
            Ok(next)
        })?;
    }
    Ok(latents)
}

/// The picture behind the latents.
fn decode(latents: &Tensor) -> Result<()> {
    let device = latents.device();
    let vae = timed("autoencoder's parameters drawn", || {
        Ok(Autoencoder::new(
            &AutoencoderConfig::sd15(),
            &mut Random::new(device),
        )?)
    })?;
    timed("decoding", || {
        let image = block_on(vae.decode(latents).read())?;
        println!("{} numbers in the picture", image.len());
        Ok(())
    })
}

/// What the device holds now, and the most this process ever held, where the system says.
fn report_memory(device: &Device) {
    let counters = device.counters();
    println!(
        "{} MB in device buffers",
        counters.allocated_bytes / 1_000_000
    );
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        println!("{line}");
    }
}
