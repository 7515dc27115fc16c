//! `models run`: what a network makes of one picture.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{ArgGroup, Args};
use serde_json::json;

use super::{
    flags::{Talk, Where},
    report::{self, Report},
    source::opened,
};
use crate::{
    error::Error,
    models::{
        Input, Resampling,
        onnx::{Element, Network, Output, Value},
    },
    picture::file,
    session::{Event, Size},
    tensor::{Device, Tensor},
    weights::{disk::DiskFile, header::Header, tensors::Tensors, write::save_tensors},
};

/// `guidestar models run`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("given").required(true).args(["image", "raw"])))]
pub struct Run {
    /// An ONNX file. A card beside it, NET.json, says how it wants its pictures; flags go before.
    #[arg(value_name = "NET")]
    pub network: PathBuf,
    /// A picture.
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// A safetensors file instead, with a tensor for each input, taken as it is.
    #[arg(long, value_name = "FILE")]
    pub raw: Option<PathBuf>,
    /// Write the outputs to this safetensors file.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Only these; any value in the graph has a name.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub output: Vec<String>,
    /// Width and height that the picture is brought to [default: what the file says].
    #[arg(long, value_name = "WxH")]
    pub size: Option<Size>,
    /// How it is brought to them: nearest, bilinear or bicubic.
    #[arg(long, value_name = "NAME", value_parser = resampling)]
    pub resampling: Option<Resampling>,
    /// Shrink without widening the filter, as tensor libraries used to.
    #[arg(long)]
    pub aliased: bool,
    /// What white is before mean and std: 1 or 255 [default: 1].
    #[arg(long, value_name = "NUMBER")]
    pub scale: Option<f64>,
    /// Taken off red, green and blue (as the network gets them).
    #[arg(long, value_name = "A,B,C", value_parser = three, allow_negative_numbers = true)]
    pub mean: Option<[f64; 3]>,
    /// Red, green and blue are divided by.
    #[arg(long, value_name = "A,B,C", value_parser = three)]
    pub std: Option<[f64; 3]>,
    /// Blue comes first.
    #[arg(long)]
    pub bgr: bool,
    /// Where to compute.
    #[command(flatten)]
    pub place: Where,
}

fn resampling(text: &str) -> Result<Resampling, String> {
    match text {
        "nearest" => Ok(Resampling::Nearest),
        "bilinear" => Ok(Resampling::Bilinear),
        "bicubic" => Ok(Resampling::Bicubic),
        _ => Err("choose nearest, bilinear or bicubic".to_owned()),
    }
}

/// Three numbers, or one for all three.
fn three(text: &str) -> Result<[f64; 3], String> {
    let numbers = text.split(',').map(|part| part.trim().parse::<f64>());
    let numbers = numbers.collect::<Result<Vec<_>, _>>();
    match numbers.as_deref() {
        Ok(&[all]) => Ok([all; 3]),
        Ok(&[a, b, c]) => Ok([a, b, c]),
        _ => Err("write three numbers, 0.485,0.456,0.406, or one for all".to_owned()),
    }
}

/// Does it.
///
/// # Errors
/// When a file is not what it should be, or the network cannot be run.
pub fn run(flags: &Run, talk: Talk) -> Result<()> {
    if let Some(path) = &flags.save {
        file::check_writable(path).map_err(|error| Error::Request(format!("{error:#}")))?;
    }
    let mut report = Report::new(talk);
    let device = pollster::block_on(Device::open(
        flags.place.device,
        flags.place.precision.into(),
    ))?;
    let place = flags.network.display().to_string();
    let bytes = file::read(&flags.network)?;
    let wanted = (!flags.output.is_empty()).then_some(&flags.output[..]);
    let network = Network::read(&place, bytes, &device, wanted)?;
    let outputs = match (&flags.image, &flags.raw) {
        (Some(image), _) => {
            let input = input(flags, &network)?.on(&device)?;
            let picture = opened(image, &mut report)?;
            network.forward(&input.apply(&picture.to_unit(&device)))?
        }
        (None, Some(raw)) => network.run(&pollster::block_on(given(raw, &network, &device))?)?,
        (None, None) => unreachable!("clap asks for one of both"),
    };
    let tensors = outputs
        .iter()
        .map(|output| pollster::block_on(output.tensor.read()));
    let tensors = tensors.collect::<Result<Vec<_>, _>>()?;
    for (output, numbers) in outputs.iter().zip(&tensors) {
        report::print(&described(output, numbers, talk));
    }
    if let Some(path) = &flags.save {
        let named: Vec<(&str, &[usize], &[f32])> = outputs
            .iter()
            .zip(&tensors)
            .map(|(output, numbers)| (&output.name[..], &output.tensor.shape()[..], &numbers[..]))
            .collect();
        save_tensors(path, &named)?;
        report.event(&Event::Saved {
            path: path.display().to_string(),
            what: "outputs".to_owned(),
        });
    }
    Ok(())
}

/// An output in a line: name, shape, least, mean and greatest number.
fn described(output: &Output, numbers: &[f32], talk: Talk) -> String {
    let fold = |f: fn(f32, f32) -> f32| numbers.iter().copied().reduce(f).unwrap_or(f32::NAN);
    let [least, greatest] = [fold(f32::min), fold(f32::max)];
    let sum: f64 = numbers.iter().map(|&x| f64::from(x)).sum();
    let mean = sum / numbers.len() as f64;
    if talk.json {
        let line = json!({
            "output": output.name,
            "shape": output.tensor.shape().to_vec(),
            "least": least,
            "mean": mean,
            "greatest": greatest,
        });
        return line.to_string();
    }
    format!(
        "{}  {:?}  {least:.5} to {greatest:.5}, mean {mean:.5}",
        output.name,
        output.tensor.shape()
    )
}

/// How a network wants its pictures: as the card beside its file says, if there is one.
///
/// # Errors
/// When the card is none.
pub fn card(path: &Path) -> Result<Input, Error> {
    let card = path.with_extension("json");
    if !card.exists() {
        return Ok(Input::default());
    }
    let text = String::from_utf8_lossy(&file::read(&card)?).into_owned();
    Input::read(&card.display().to_string(), &text)
}

/// The same, with what the flags say instead.
fn input(flags: &Run, network: &Network) -> Result<Input> {
    let mut input = card(&flags.network)?.sized_for(network);
    if let Some(size) = flags.size {
        input.size = Some([size.width_px, size.height_px]);
    }
    if let Some(resampling) = flags.resampling {
        input.resampling = resampling;
    }
    input.antialias &= !flags.aliased;
    input.scale = flags.scale.unwrap_or(input.scale);
    input.mean = flags.mean.unwrap_or(input.mean);
    input.std = flags.std.unwrap_or(input.std);
    input.bgr |= flags.bgr;
    input.check("the flags")?;
    Ok(input)
}

/// The tensors of a file, in the order of the network's inputs; a single one may have any name.
async fn given(path: &Path, network: &Network, device: &Device) -> Result<Vec<Value>> {
    let source = std::rc::Rc::new(DiskFile::open(path)?);
    let header = Header::read(&*source).await?;
    let mut tensors = Tensors::default();
    tensors.add(source, &header, |name| Some(name.to_owned()))?;
    let only = network.single().is_some() && tensors.stored().len() == 1;
    let mut values = Vec::new();
    for port in network.inputs() {
        let mut stored = tensors.stored().iter();
        let Some(stored) = stored.find(|stored| only || stored.name == port.name) else {
            return Err(Error::Request(format!(
                "{} has no tensor {:?}, which the network takes",
                path.display(),
                port.name
            ))
            .into());
        };
        let mut numbers = Vec::with_capacity(stored.entry.elements());
        let mut take = |piece: &[f32]| {
            numbers.extend_from_slice(piece);
            Ok(())
        };
        tensors.reader().read(stored, &mut take).await?;
        let shape = stored.entry.shape.clone();
        if shape.is_empty() || numbers.is_empty() {
            return Err(Error::Request(format!(
                "{}: {:?} is {shape:?}, and networks take tensors of at least one number",
                path.display(),
                stored.name
            ))
            .into());
        }
        let tensor: Tensor = device.tensor(shape, numbers);
        values.push(Value::tensor(&tensor, Element::Float));
    }
    Ok(values)
}
