//! The head of a safetensors file: which tensors it holds, and where.
//!
//! The format is eight bytes that give the length of a JSON object, the object, and the numbers
//! (<https://github.com/huggingface/safetensors#format>). Only the head is read here. Files come from strangers, so
//! nothing is believed before it is checked, and nothing is allocated for a claim that the file's length denies.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    ops::Range,
};

use safetensors::Dtype;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::StrDeserializer},
};

use super::source::WeightSource;
use crate::error::{Error, Result};

/// The format's own limit.
pub const LONGEST_HEADER_BYTES: u64 = 100_000_000;

/// A tensor as a file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the file.
    pub name: String,
    /// How its numbers are stored.
    pub dtype: Dtype,
    /// Its extent along each axis; empty for a single number.
    pub shape: Vec<usize>,
    /// Where its numbers are, counted from the start of the file.
    pub bytes: Range<u64>,
    /// Its axes as they lie there, the outermost first; empty where they lie one behind another.
    pub order: Vec<usize>,
}

impl Entry {
    /// How many numbers it holds.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The head of a safetensors file, checked.
#[derive(Clone, Debug)]
pub struct Header {
    /// The tensors, in the order their numbers lie in the file.
    pub entries: Vec<Entry>,
    /// Free text that the writer left, by key.
    pub metadata: BTreeMap<String, String>,
}

impl Header {
    /// Reads and checks the head of a file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a safetensors file in order; the text says in what.
    pub async fn read(source: &dyn WeightSource) -> Result<Self> {
        let place = source.place();
        let file_bytes = source.size_bytes().await?;
        if file_bytes < 8 {
            return Err(wrong(
                place,
                format!("it has {file_bytes} bytes, too few for a safetensors file"),
            ));
        }
        let head = source.read(0..8).await?;
        let head: [u8; 8] = head
            .try_into()
            .map_err(|_| wrong(place, "its first eight bytes could not be read"))?;
        let json_bytes = u64::from_le_bytes(head);
        if json_bytes > LONGEST_HEADER_BYTES {
            return Err(wrong(
                place,
                format!(
                    "its header claims {json_bytes} bytes, over the format's limit of {LONGEST_HEADER_BYTES}: this is \
                     no safetensors file"
                ),
            ));
        }
        if json_bytes > file_bytes - 8 {
            return Err(wrong(
                place,
                format!(
                    "its header claims {json_bytes} bytes and the whole file has {file_bytes}: it was cut short, \
                     fetch it again"
                ),
            ));
        }
        let json = source.read(8..8 + json_bytes).await?;
        Self::parse(&json, file_bytes, place)
    }

    /// Checks the JSON of a head against the length of its file.
    ///
    /// # Errors
    /// When anything in it is out of order; the text says what.
    pub fn parse(json: &[u8], file_bytes: u64, place: &str) -> Result<Self> {
        let text = std::str::from_utf8(json)
            .map_err(|_| wrong(place, "its header is not text (UTF-8): it is damaged"))?;
        let raw: RawHeader = serde_json::from_str(text).map_err(|error| {
            wrong(
                place,
                format!("its header is not the JSON it should be: {error}"),
            )
        })?;
        let data_start = 8 + json.len() as u64;
        let data_bytes = file_bytes.saturating_sub(data_start);

        let mut names = HashSet::new();
        let mut entries = Vec::with_capacity(raw.tensors.len());
        for (name, info) in &raw.tensors {
            if !names.insert(name.as_str()) {
                return Err(wrong(place, format!("it holds two tensors named {name:?}")));
            }
            let range = info.check(name, data_bytes, place)?;
            entries.push(Entry {
                name: name.clone(),
                dtype: info.dtype(name, place)?,
                shape: info.shape.iter().map(|&axis| axis as usize).collect(),
                bytes: data_start + range.start..data_start + range.end,
                order: Vec::new(),
            });
        }
        entries.sort_by_key(|entry| (entry.bytes.start, entry.bytes.end));
        check_order(&entries, data_start, file_bytes, place)?;
        Ok(Self {
            entries,
            metadata: raw.metadata,
        })
    }

    /// The tensor of a name.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// Tensors lie end to end: no byte belongs to two of them, or to none.
fn check_order(entries: &[Entry], data_start: u64, file_bytes: u64, place: &str) -> Result<()> {
    let mut end = data_start;
    let mut before = "its header";
    for entry in entries {
        let name = entry.name.as_str();
        if entry.bytes.start < end {
            return Err(wrong(
                place,
                format!("its tensors {before:?} and {name:?} overlap"),
            ));
        }
        if entry.bytes.start > end {
            let gap = entry.bytes.start - end;
            return Err(wrong(
                place,
                format!("{gap} bytes before its tensor {name:?} belong to nothing"),
            ));
        }
        end = entry.bytes.end;
        before = name;
    }
    if end < file_bytes {
        let rest = file_bytes - end;
        return Err(wrong(
            place,
            format!("{rest} bytes after its last tensor belong to nothing"),
        ));
    }
    Ok(())
}

fn wrong(place: &str, problem: impl Into<String>) -> Error {
    Error::Weights {
        place: place.to_owned(),
        problem: problem.into(),
    }
}

/// A tensor's entry as it is written, before anything is believed.
#[derive(Deserialize)]
struct RawInfo {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl RawInfo {
    fn dtype(&self, name: &str, place: &str) -> Result<Dtype> {
        let text = StrDeserializer::<serde::de::value::Error>::new(&self.dtype);
        Dtype::deserialize(text).map_err(|_| {
            wrong(
                place,
                format!(
                    "its tensor {name:?} is of type {:?}, which the format does not have",
                    self.dtype
                ),
            )
        })
    }

    /// The bytes a tensor lies at, counted from the end of the header, when they are what its shape and type take.
    fn check(&self, name: &str, data_bytes: u64, place: &str) -> Result<Range<u64>> {
        let wrong = |problem: String| wrong(place, problem);
        let bits = self.dtype(name, place)?.bitsize() as u64;
        // Fits in 2^48, so that no later product of a size with a small number overflows.
        let bytes = self
            .shape
            .iter()
            .try_fold(bits, |product, &axis| product.checked_mul(axis))
            .filter(|bits| bits >> 51 == 0 && self.shape.iter().all(|axis| axis >> 31 == 0))
            .ok_or_else(|| {
                wrong(format!(
                    "its tensor {name:?} of shape {:?} is too large to be true",
                    self.shape
                ))
            })?;
        if bytes % 8 != 0 {
            return Err(wrong(format!(
                "its tensor {name:?} ends in the middle of a byte"
            )));
        }
        let bytes = bytes / 8;
        let (start, end) = self.data_offsets;
        if start > end {
            return Err(wrong(format!(
                "its tensor {name:?} ends at {end}, before its start at {start}"
            )));
        }
        if end - start != bytes {
            return Err(wrong(format!(
                "its tensor {name:?} of {} {:?} takes {bytes} bytes and is given {}",
                self.dtype,
                self.shape,
                end - start
            )));
        }
        if end > data_bytes {
            return Err(wrong(format!(
                "its tensor {name:?} ends at byte {end} of the numbers and there are {data_bytes}: the file was cut \
                 short, fetch it again"
            )));
        }
        Ok(start..end)
    }
}

/// The JSON as it is written. Names that occur twice are kept, which a map would hide.
struct RawHeader {
    tensors: Vec<(String, RawInfo)>,
    metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<RawHeader, M::Error> {
        let mut header = RawHeader {
            tensors: Vec::new(),
            metadata: BTreeMap::new(),
        };
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                header.metadata = map.next_value()?;
            } else {
                header.tensors.push((name, map.next_value()?));
            }
        }
        Ok(header)
    }
}
