//! Brings a network's parameters from its files to a device, piece by piece.

use std::collections::{HashMap, HashSet};

use super::tensors::{Stored, Tensors};
use crate::{
    error::{Error, Result},
    models::{Kind, Needed, Parameters},
    tensor::{DType, Device, Tensor},
};

/// How far a loading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the files that were read so far.
    pub done_bytes: u64,
    /// Bytes there are to read.
    pub total_bytes: u64,
}

/// Bytes that parameters take on a device, known before the first one is read.
pub fn device_bytes(needed: &[Needed], dtype: DType) -> u64 {
    let elements: usize = needed.iter().map(|needed| needed.kind.elements()).sum();
    elements as u64 * dtype.bytes()
}

/// Bytes after which the device is waited for.
const WAVE_BYTES: u64 = 64 << 20;

/// Whole networks that a caller may have no use for: a picture is decoded without the encoder.
const OPTIONAL: [&str; 4] = ["encoder.", "quant_conv.", "decoder.", "post_quant_conv."];

/// Loads the parameters that a network needs.
///
/// Every name and shape is checked before the first byte goes to the device. A half of an autoencoder that nothing is needed of
/// is left where it is; anything else that the network has no place for is an error, because a network that ignores
/// some of its weights makes wrong pictures.
///
/// # Errors
/// When tensors are missing, superfluous or of another shape, when the files cannot be read, and when the device has
/// no room.
pub async fn load(
    tensors: &Tensors,
    needed: &[Needed],
    device: &Device,
    progress: &mut dyn FnMut(Progress),
) -> Result<Loaded> {
    let plan = check(tensors, needed)?;
    let mut at = Progress {
        done_bytes: 0,
        total_bytes: plan.iter().map(|(stored, _)| stored.bytes()).sum(),
    };
    progress(at);
    let mut reader = tensors.reader();
    let mut ready = HashMap::new();
    let mut wave = 0;
    for (stored, kind) in plan {
        let mut upload = device.upload(kind.uploaded())?;
        reader
            .read(stored, &mut |elements| upload.write(elements))
            .await?;
        let tensor = kind.arrange(&upload.finish()?)?;
        ready.insert(stored.name.clone(), (tensor, kind));
        at.done_bytes += stored.bytes();
        progress(at);
        wave += stored.bytes();
        if wave >= WAVE_BYTES {
            // Where nothing blocks, as in a browser, bytes would pile up on their way; and what has no room is told now.
            device.finish().await?;
            wave = 0;
        }
    }
    device.finish().await?;
    Ok(Loaded {
        device: device.clone(),
        place: tensors.first_place().to_owned(),
        ready,
    })
}

/// Pairs every needed parameter with its stored tensor, in the order of the files.
///
/// # Errors
/// When tensors are missing, superfluous, or of another shape.
pub fn check<'a>(tensors: &'a Tensors, needed: &[Needed]) -> Result<Vec<(&'a Stored, Kind)>> {
    let wanted: HashMap<&str, Kind> = needed
        .iter()
        .map(|needed| (needed.name.as_str(), needed.kind))
        .collect();
    let wrong = |problem: String| Error::Weights {
        place: tensors.first_place().to_owned(),
        problem,
    };

    let there: HashSet<&str> = tensors
        .stored()
        .iter()
        .map(|stored| stored.name.as_str())
        .collect();
    let missing: Vec<&str> = needed
        .iter()
        .map(|needed| needed.name.as_str())
        .filter(|name| !there.contains(name))
        .collect();
    if !missing.is_empty() {
        return Err(wrong(format!(
            "{} of the {} tensors that the model needs are missing: {}",
            missing.len(),
            needed.len(),
            some_of(&missing)
        )));
    }

    let left_out: Vec<&str> = OPTIONAL
        .into_iter()
        .filter(|half| !wanted.keys().any(|name| name.starts_with(half)))
        .collect();
    let superfluous: Vec<&str> = tensors
        .stored()
        .iter()
        .map(|stored| stored.name.as_str())
        .filter(|name| !wanted.contains_key(name))
        .filter(|name| !left_out.iter().any(|half| name.starts_with(half)))
        .collect();
    if !superfluous.is_empty() {
        return Err(wrong(format!(
            "the model has no place for {} of its tensors: {}; does the config belong to these weights?",
            superfluous.len(),
            some_of(&superfluous)
        )));
    }

    let mut plan = Vec::with_capacity(needed.len());
    for stored in tensors.stored() {
        let Some(&kind) = wanted.get(stored.name.as_str()) else {
            continue;
        };
        if !fits(&stored.entry.shape, kind) {
            return Err(Error::WeightShape {
                name: stored.entry.name.clone(),
                found: stored.entry.shape.clone(),
                needed: kind.stored(),
            });
        }
        plan.push((stored, kind));
    }
    Ok(plan)
}

/// A projection is stored as a matrix or as a 1x1 convolution, whichever the code that wrote it used.
fn fits(shape: &[usize], kind: Kind) -> bool {
    let needed = kind.stored();
    match kind {
        Kind::Linear { .. } if shape.len() == 4 => shape == [needed[0], needed[1], 1, 1],
        Kind::Conv { kernel: [1, 1], .. } if shape.len() == 2 => shape == &needed[..2],
        _ => shape == needed,
    }
}

/// The first few names, and how many more there are.
fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Parameters that are on the device.
pub struct Loaded {
    device: Device,
    place: String,
    ready: HashMap<String, (Tensor, Kind)>,
}

impl Parameters for Loaded {
    fn device(&self) -> &Device {
        &self.device
    }

    fn take(&mut self, name: &str, kind: Kind) -> Result<Tensor> {
        match self.ready.get(name) {
            Some((tensor, loaded)) if *loaded == kind => Ok(tensor.clone()),
            Some((_, loaded)) => Err(Error::WeightShape {
                name: name.to_owned(),
                found: loaded.stored(),
                needed: kind.stored(),
            }),
            None => Err(Error::Weights {
                place: self.place.clone(),
                problem: format!("its tensor {name:?} was not loaded"),
            }),
        }
    }
}
