//! The files that PyTorch writes, `.pt` and `.pth`: which tensors one holds, and where.
//!
//! Since version 1.6 a file is a zip archive whose parts are stored as they are: a pickle, and the numbers of each storage. Before,
//! it was pickles one behind another and then all numbers
//! (<https://github.com/pytorch/pytorch/blob/v1.13.1/torch/serialization.py>). A compiled module is a zip archive too. Nothing in
//! them is run, and numbers are read from where they lie, as from a safetensors file.

use std::{cmp::Reverse, collections::BTreeMap, ops::Range};

use safetensors::Dtype;

use super::{
    header::{Entry, Header},
    pickle::{self, Fault, Part, Pickle, Value, count},
    recognise::{Format, require_safetensors},
    source::WeightSource,
};
use crate::error::{Error, Result};

/// The end of a zip archive, which says where its list of contents is, and the longest comment behind it.
const END_BYTES: u64 = 22;
const LONGEST_COMMENT_BYTES: u64 = 1 << 16;
/// What a part's own header takes before its name.
const LOCAL_BYTES: u64 = 30;
/// No list of contents or pickle of a model is longer.
const LONGEST_BYTES: u64 = 64 << 20;
/// The first number in a file of the older kind.
const OLD_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// Objects are not nested deeper in any module, and all their names together are not longer.
const DEEPEST: usize = 64;
const LONGEST_NAMES_BYTES: usize = 64 << 20;

/// Reads the head of a file of weights: safetensors, or one of PyTorch's own.
///
/// # Errors
/// When it cannot be read, or is neither; the text says what it is.
pub async fn any_header(source: &dyn WeightSource) -> Result<Header> {
    match Format::read(source).await? {
        Format::Pickle => header(source).await,
        Format::Onnx => Err(wrong(
            source,
            "it is an ONNX graph, and weights are asked for: a .safetensors, .pt or .pth file",
        )),
        _ => {
            require_safetensors(source).await?;
            Header::read(source).await
        }
    }
}

/// Reads which tensors a file of PyTorch's holds.
///
/// # Errors
/// When it cannot be read, or is not whole; the text says in what.
pub async fn header(source: &dyn WeightSource) -> Result<Header> {
    let start = source.read(0..2).await?;
    let file = if start == b"PK" {
        zipped(source).await?
    } else {
        stacked(source).await?
    };
    let mut found = Found::default();
    file.gather(&file.pickle.root, 0, &mut found)
        .map_err(|problem| wrong(source, problem))?;
    let mut entries = found.entries;
    if entries.is_empty() {
        return Err(wrong(source, "it holds no tensors"));
    }
    entries.sort_by_key(|entry| entry.bytes.start);
    Ok(Header {
        entries: unpacked(entries),
        metadata: BTreeMap::new(),
    })
}

/// What a file's pickle says, and where its storages lie, by their keys.
struct File {
    pickle: Pickle,
    storages: BTreeMap<String, Range<u64>>,
}

/// What was found on a walk through a file's objects.
#[derive(Default)]
struct Found {
    /// The names on the way to where the walk is, with dots between.
    name: String,
    /// How long the names are together of all that it has come by.
    names_bytes: usize,
    entries: Vec<Entry>,
}

impl File {
    /// Adds the tensors in a value, each under the names on the way to it.
    fn gather(&self, value: &Value, deep: usize, found: &mut Found) -> Result<(), String> {
        found.names_bytes += found.name.len() + 1;
        if deep > DEEPEST || found.names_bytes > LONGEST_NAMES_BYTES {
            return Err("its objects are nested without an end".to_owned());
        }
        let held = match value {
            Value::Dict(held) | Value::Object(held) => *held,
            Value::Tensor(tensor) => {
                found.entries.push(self.entry(&found.name, tensor)?);
                return Ok(());
            }
            _ => return Ok(()),
        };
        for (key, value) in self.pickle.pairs(held) {
            let Value::Text(key) = key else { continue };
            let length = found.name.len();
            if !found.name.is_empty() {
                found.name.push('.');
            }
            found.name.push_str(key);
            self.gather(value, deep + 1, found)?;
            found.name.truncate(length);
        }
        Ok(())
    }

    fn entry(&self, name: &str, tensor: &pickle::Placed) -> Result<Entry, String> {
        let (key, dtype, _) = storage(&self.pickle, tensor.storage)
            .ok_or_else(|| format!("its tensor {name:?} has numbers of no known type"))?;
        let Some(place) = self.storages.get(key) else {
            return Err(format!("the numbers of its tensor {name:?} are missing"));
        };
        let (order, elements) = lying(&tensor.shape, &tensor.strides)
            .filter(|(order, _)| order.is_empty() || !matches!(dtype, Dtype::I8 | Dtype::U8))
            .ok_or_else(|| {
                format!(
                    "its tensor {name:?} does not lie in rows: save it again with .contiguous()"
                )
            })?;
        let width = dtype.bitsize() as u64 / 8;
        let bytes = |count: usize| (count as u64).saturating_mul(width);
        let start = place.start.saturating_add(bytes(tensor.first));
        let end = start.saturating_add(bytes(elements));
        if end > place.end {
            return Err(format!(
                "its tensor {name:?} takes more than its storage holds: the file is damaged"
            ));
        }
        Ok(Entry {
            name: name.to_owned(),
            dtype,
            shape: tensor.shape.clone(),
            bytes: start..end,
            order,
        })
    }
}

/// The axes of a tensor as they lie, the outermost first, and how many elements there are; nothing where there are gaps between
/// them. No axes where they lie in their own order.
fn lying(shape: &[usize], strides: &[usize]) -> Option<(Vec<usize>, usize)> {
    // Where there is one of them, an axis lies anywhere.
    let (mut order, mut axes): (Vec<_>, Vec<_>) =
        (0..shape.len().min(strides.len())).partition(|&axis| shape[axis] == 1);
    axes.sort_by_key(|&axis| Reverse(strides[axis]));
    let mut elements = 1_usize;
    for &axis in axes.iter().rev() {
        if strides[axis] != elements {
            return None;
        }
        elements = elements.saturating_mul(shape[axis]);
    }
    let in_order = axes.is_sorted();
    order.extend(axes);
    Some((if in_order { Vec::new() } else { order }, elements))
}

/// The key, type and length of a storage: `('storage', torch.FloatStorage, '0', 'cpu', 864)`.
fn storage(pickle: &Pickle, given: Part) -> Option<(&str, Dtype, usize)> {
    let [_, Value::Global(class), Value::Text(key), _, elements, ..] = pickle.values(given) else {
        return None;
    };
    let dtype = match class.rsplit('.').next()? {
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "DoubleStorage" => Dtype::F64,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::BOOL,
        _ => return None,
    };
    Some((key, dtype, count(elements)?))
}

/// Without what was put around all of a training's weights.
fn unpacked(mut entries: Vec<Entry>) -> Vec<Entry> {
    for around in ["state_dict.", "model."] {
        if entries.iter().all(|entry| entry.name.starts_with(around)) {
            for entry in &mut entries {
                entry.name.drain(..around.len());
            }
        }
    }
    entries
}

/// A zip archive.
async fn zipped(source: &dyn WeightSource) -> Result<File> {
    let size = source.size_bytes().await?;
    let short = || {
        wrong(
            source,
            "it has no list of contents: it was cut short, fetch it again",
        )
    };
    let tail = size.saturating_sub(END_BYTES + LONGEST_COMMENT_BYTES)..size;
    let tail = source.read(tail).await?;
    let end = tail.windows(4).rposition(|four| four == b"PK\x05\x06");
    let end = end
        .and_then(|at| tail.get(at..at + END_BYTES as usize))
        .ok_or_else(short)?;
    let [list_bytes, list_start] = [12, 16].map(|at| u64::from(word(end, at)));
    if list_bytes > LONGEST_BYTES || list_start + list_bytes > size {
        return Err(short());
    }
    let list = source.read(list_start..list_start + list_bytes).await?;
    let mut pickle = None;
    let mut storages = BTreeMap::new();
    let mut at = 0;
    while let Some(head) = list
        .get(at..at + 46)
        .filter(|head| head.starts_with(b"PK\x01\x02"))
    {
        let method = half_word(head, 10);
        let [packed, begins] = [word(head, 20), word(head, 42)].map(u64::from);
        let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(half_word(head, at)));
        let path = list.get(at + 46..at + 46 + name).ok_or_else(short)?;
        let path = String::from_utf8_lossy(path).into_owned();
        at += 46 + name + extra + comment;
        // The folder in front is the archive's name.
        let inside = path.split_once('/').map_or("", |(_, inside)| inside);
        let key = inside.strip_prefix("data/");
        if key.is_none() && inside != "data.pkl" {
            continue;
        }
        if method != 0 {
            return Err(wrong(
                source,
                format!("its part {path} is compressed, which PyTorch's never are"),
            ));
        }
        let local = source.read(begins..begins + LOCAL_BYTES).await?;
        let before = u64::from(half_word(&local, 26)) + u64::from(half_word(&local, 28));
        let start = begins + LOCAL_BYTES + before;
        let place = start..start + packed;
        if !local.starts_with(b"PK\x03\x04") || place.end > size {
            return Err(short());
        }
        match key {
            Some(key) => {
                storages.insert(key.to_owned(), place);
            }
            None if packed <= LONGEST_BYTES => {
                let bytes = source.read(place).await?;
                let read = pickle::read(&bytes);
                pickle = Some(read.map_err(|fault| wrong(source, said(fault)))?);
            }
            None => return Err(wrong(source, "its data.pkl is longer than any model's")),
        }
    }
    let pickle =
        pickle.ok_or_else(|| wrong(source, "it is a zip archive without PyTorch's data.pkl"))?;
    Ok(File { pickle, storages })
}

/// Pickles one behind another, then each storage's length and numbers.
async fn stacked(source: &dyn WeightSource) -> Result<File> {
    let size = source.size_bytes().await?;
    let mut window = 1 << 20;
    let (pickles, mut at) = loop {
        let bytes = source.read(0..size.min(window)).await?;
        match five(&bytes) {
            Err(Fault::Short) if window < size && window < LONGEST_BYTES => window *= 2,
            Err(fault) => return Err(wrong(source, said(fault))),
            Ok(read) => break read,
        }
    };
    let [.., pickle, keys] = pickles;
    let storages = pickle
        .tensors()
        .filter_map(|tensor| storage(&pickle, tensor.storage));
    let widths: BTreeMap<&str, u64> = storages
        .map(|(key, dtype, _)| (key, dtype.bitsize() as u64 / 8))
        .collect();
    let Value::List(order) = keys.root else {
        return Err(wrong(
            source,
            "it does not say in which order its numbers lie",
        ));
    };
    let mut places = BTreeMap::new();
    for key in keys.values(order) {
        let Value::Text(key) = key else { continue };
        let Some(width) = widths.get(&**key) else {
            return Err(wrong(
                source,
                format!("nothing in it says of what type the numbers {key:?} are"),
            ));
        };
        let elements = source.read(at..at + 8).await?;
        let elements: [u8; 8] = elements
            .try_into()
            .map_err(|_| wrong(source, "it ends early"))?;
        let start = at + 8;
        at = start.saturating_add(u64::from_le_bytes(elements).saturating_mul(*width));
        if at > size {
            return Err(wrong(
                source,
                "it ends before its numbers do: it was cut short, fetch it again",
            ));
        }
        places.insert(key.to_string(), start..at);
    }
    Ok(File {
        pickle,
        storages: places,
    })
}

/// The five pickles of an older file, and where the numbers begin.
fn five(bytes: &[u8]) -> Result<([Pickle; 5], u64), Fault> {
    let magic = bytes.get(2..14).ok_or(Fault::Short)?;
    if magic[..2] != [0x8a, 10] || magic[2..] != OLD_MAGIC {
        return Err(Fault::Wrong(
            "it is a pickle, but none of PyTorch's weights".to_owned(),
        ));
    }
    let mut at = 0;
    let mut next = || {
        let pickle = pickle::read(&bytes[at..])?;
        at += pickle.length;
        Ok(pickle)
    };
    let pickles = [next()?, next()?, next()?, next()?, next()?];
    Ok((pickles, at as u64))
}

fn said(fault: Fault) -> String {
    match fault {
        Fault::Short => "its pickle ends early: it was cut short, fetch it again".to_owned(),
        Fault::Wrong(text) => format!("its pickle is not what PyTorch writes: {text}"),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from(half_word(bytes, at)) | u32::from(half_word(bytes, at + 2)) << 16
}

fn half_word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn wrong(source: &dyn WeightSource, problem: impl Into<String>) -> Error {
    Error::Weights {
        place: source.place().to_owned(),
        problem: problem.into(),
    }
}
