//! Rewrites a checkpoint in another layout, or with smaller numbers.

use std::{collections::BTreeMap, path::Path};

use half::f16;
use safetensors::Dtype;

use super::{
    checkpoint::{Checkpoint, Component},
    load::Progress,
    names::{Part, to_single_file},
    sd15,
    tensors::{SCALE, Stored},
    write::{Heading, WholeFile, WholeFolder, head},
};
use crate::{
    error::{Error, Result},
    tokenizer::{self, Tokenizer},
};

/// How a checkpoint lies on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A folder for each network, as diffusers has it.
    Folder,
    /// One file with the original names. Descriptions go in its metadata.
    SingleFile,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Four bytes a number.
    F32,
    /// Two bytes a number.
    F16,
    /// One byte a number of a matrix or kernel, and one scale for each of its output channels; vectors in f16.
    ///
    /// Guidestar's own: `w` holds `round(x / scale)` as `I8`, `w.scale` the scales as `F32`.
    Int8,
}

/// Writes a checkpoint anew. What appears under `output` is whole, or nothing is.
///
/// # Errors
/// When it cannot be read or written, `output` is there already, or a number does not fit its storage.
pub async fn convert(
    checkpoint: &Checkpoint,
    output: &Path,
    layout: Layout,
    storage: Storage,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    if output.exists() {
        return Err(Error::Write {
            place: output.display().to_string(),
            source: std::io::ErrorKind::AlreadyExists.into(),
        });
    }
    let mut meter = Meter::new(checkpoint, storage, progress);
    let descriptions = complete(checkpoint)?;
    match layout {
        Layout::Folder => {
            let folder = WholeFolder::create(output)?;
            for (path, text) in &descriptions {
                let mut file = folder.file(path)?;
                file.write(text.as_bytes())?;
                file.finish()?;
            }
            for part in Part::ALL {
                let outgoing = outgoing(checkpoint.component(part), layout, storage);
                let path = format!("{}/{}.safetensors", part.folder(), part.stem());
                write(folder.file(&path)?, BTreeMap::new(), outgoing, &mut meter).await?;
            }
            folder.finish()
        }
        Layout::SingleFile => {
            let outgoing = Part::ALL
                .into_iter()
                .flat_map(|part| outgoing(checkpoint.component(part), layout, storage))
                .collect();
            write(
                WholeFile::create(output)?,
                descriptions,
                outgoing,
                &mut meter,
            )
            .await
        }
    }
}

/// The files that describe a checkpoint, with Stable Diffusion 1.5's where it says nothing.
fn complete(checkpoint: &Checkpoint) -> Result<BTreeMap<String, String>> {
    let mut all = checkpoint.descriptions.clone();
    for part in Part::ALL {
        let path = format!("{}/config.json", part.folder());
        let config = &checkpoint.component(part).config;
        all.entry(path).or_insert_with(|| config.clone());
    }
    all.entry("model_index.json".to_owned())
        .or_insert_with(|| sd15::model_index().to_string());
    all.entry("scheduler/scheduler_config.json".to_owned())
        .or_insert_with(|| checkpoint.scheduler());
    if !Tokenizer::is_described(&all) {
        all.extend(tokenizer::clip_files(tokenizer::clip_merges()?));
    }
    Ok(all)
}

/// A tensor on its way out.
struct Outgoing<'a> {
    component: &'a Component,
    stored: &'a Stored,
    heading: Heading,
}

fn outgoing(component: &Component, layout: Layout, storage: Storage) -> Vec<Outgoing<'_>> {
    let stored = component.tensors.stored().iter();
    stored
        .map(|stored| {
            let matrix = stored.entry.shape.len() > 1;
            let dtype = match storage {
                Storage::F32 => Dtype::F32,
                Storage::Int8 if matrix => Dtype::I8,
                Storage::F16 | Storage::Int8 => Dtype::F16,
            };
            let name = match layout {
                Layout::Folder => stored.name.clone(),
                Layout::SingleFile => to_single_file(component.part, &stored.name),
            };
            let heading = Heading {
                name,
                dtype,
                shape: shape(component.part, stored, layout),
            };
            Outgoing {
                component,
                stored,
                heading,
            }
        })
        .collect()
}

/// The projections of the autoencoder's attention are matrices to diffusers and 1x1 convolutions to LDM.
fn shape(part: Part, stored: &Stored, layout: Layout) -> Vec<usize> {
    let shape = &stored.entry.shape;
    let projection = part == Part::Vae && stored.name.contains(".attentions.");
    match (layout, &shape[..]) {
        (Layout::Folder, [outputs, inputs, 1, 1]) if projection => vec![*outputs, *inputs],
        (Layout::SingleFile, [outputs, inputs]) if projection => vec![*outputs, *inputs, 1, 1],
        _ => shape.clone(),
    }
}

/// Writes tensors to a file: scales first, then wide numbers, then bytes, so that each lies at a multiple of its width.
async fn write(
    mut file: WholeFile,
    metadata: BTreeMap<String, String>,
    mut tensors: Vec<Outgoing<'_>>,
    meter: &mut Meter<'_>,
) -> Result<()> {
    tensors.sort_by_key(|tensor| std::cmp::Reverse(tensor.heading.dtype.bitsize()));
    let mut scales = Vec::new();
    for tensor in tensors
        .iter()
        .filter(|tensor| tensor.heading.dtype == Dtype::I8)
    {
        scales.push((
            tensor.heading.name.clone(),
            channel_scales(tensor, meter).await?,
        ));
    }
    let mut headings: Vec<Heading> = scales
        .iter()
        .map(|(name, scales)| Heading {
            name: format!("{name}{SCALE}"),
            dtype: Dtype::F32,
            shape: vec![scales.len()],
        })
        .collect();
    headings.extend(tensors.iter().map(|tensor| tensor.heading.clone()));
    file.write(&head(&metadata, &headings))?;
    for scale in scales.iter().flat_map(|(_, scales)| scales) {
        file.write(&scale.to_le_bytes())?;
    }
    let mut scales = scales.iter();
    for tensor in &tensors {
        let scales = match tensor.heading.dtype {
            Dtype::I8 => scales.next().map_or(&[][..], |(_, scales)| scales),
            _ => &[],
        };
        write_one(&mut file, tensor, scales).await?;
        meter.add(tensor.stored.bytes());
    }
    file.finish()
}

/// The scale of each output channel: its greatest magnitude becomes 127.
async fn channel_scales(tensor: &Outgoing<'_>, meter: &mut Meter<'_>) -> Result<Vec<f32>> {
    let channels = tensor.heading.shape[0].max(1);
    let channel = tensor.stored.entry.elements() / channels;
    let mut greatest = vec![0f32; tensor.heading.shape[0]];
    let mut first = 0;
    let mut take = |piece: &[f32]| {
        for (index, element) in piece.iter().enumerate() {
            let greatest = &mut greatest[(first + index) / channel];
            *greatest = greatest.max(element.abs());
        }
        first += piece.len();
        Ok(())
    };
    let mut reader = tensor.component.tensors.reader();
    reader.read(tensor.stored, &mut take).await?;
    meter.add(tensor.stored.bytes());
    // A channel of zeros has any scale but zero, by which nothing can be divided.
    let scale = |greatest: f32| {
        if greatest > 0.0 {
            greatest / 127.0
        } else {
            1.0
        }
    };
    Ok(greatest.into_iter().map(scale).collect())
}

async fn write_one(file: &mut WholeFile, tensor: &Outgoing<'_>, scales: &[f32]) -> Result<()> {
    let heading = &tensor.heading;
    let channel = tensor.stored.entry.elements() / scales.len().max(1);
    let mut first = 0;
    let mut take = |piece: &[f32]| {
        let bytes: Vec<u8> = match heading.dtype {
            Dtype::F32 => piece.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Dtype::I8 => {
                let scaled = piece.iter().enumerate().map(|(index, x)| {
                    let scale = scales[(first + index) / channel];
                    (x / scale).round().clamp(-127.0, 127.0) as i8
                });
                scaled.flat_map(i8::to_le_bytes).collect()
            }
            _ => {
                if let Some(x) = piece.iter().find(|x| x.abs() > f16::MAX.to_f32()) {
                    return Err(Error::Weights {
                        place: tensor.component.tensors.place(tensor.stored).to_owned(),
                        problem: format!(
                            "its tensor {:?} holds {x}, too large for f16: use f32",
                            heading.name
                        ),
                    });
                }
                let halves = piece.iter().map(|&x| f16::from_f32(x));
                halves.flat_map(f16::to_le_bytes).collect()
            }
        };
        first += piece.len();
        file.write(&bytes)
    };
    let mut reader = tensor.component.tensors.reader();
    reader.read(tensor.stored, &mut take).await
}

/// Counts bytes as they are read. Matrices are read twice when they get scales.
struct Meter<'a> {
    at: Progress,
    tell: &'a mut dyn FnMut(Progress),
}

impl<'a> Meter<'a> {
    fn new(checkpoint: &Checkpoint, storage: Storage, tell: &'a mut dyn FnMut(Progress)) -> Self {
        let parts = Part::ALL.map(|part| checkpoint.component(part));
        let stored = parts.into_iter().flat_map(|part| part.tensors.stored());
        let total_bytes = stored
            .map(|stored| match storage {
                Storage::Int8 if stored.entry.shape.len() > 1 => 2 * stored.bytes(),
                _ => stored.bytes(),
            })
            .sum();
        Self {
            at: Progress {
                done_bytes: 0,
                total_bytes,
            },
            tell,
        }
    }

    fn add(&mut self, bytes: u64) {
        self.at.done_bytes += bytes;
        (self.tell)(self.at);
    }
}
