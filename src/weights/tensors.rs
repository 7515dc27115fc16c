//! The tensors of one network, wherever they are stored, under the names the models ask for.

use std::{
    collections::{HashMap, HashSet, hash_map},
    ops::Range,
    rc::Rc,
};

use safetensors::Dtype;

use super::{
    header::{Entry, Header},
    numbers::{decode, is_readable, rescale},
    recognise::require_safetensors,
    source::WeightSource,
};
use crate::error::{Error, Result};

/// What an 8-bit tensor's scales are called: its own name and this. One f32 per output channel.
pub const SCALE: &str = ".scale";

/// Elements that are handed on at a time, so that nobody holds a tensor whole: 4 MiB of f32.
const PIECE_ELEMENTS: usize = 1 << 20;

/// Small tensors that lie together are read together, up to this many bytes: a range read may be a request.
const READ_BYTES: u64 = 4 << 20;

/// A tensor and where it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The name the models ask for.
    pub name: String,
    /// Its entry in its file.
    pub entry: Entry,
    file: usize,
    scale: Option<Entry>,
}

/// The tensors of one network.
#[derive(Clone, Default)]
pub struct Tensors {
    files: Vec<Rc<dyn WeightSource>>,
    stored: Vec<Stored>,
}

impl Tensors {
    /// Takes over the tensors of a file that `name` has a name for.
    ///
    /// # Errors
    /// When two tensors get the same name.
    pub fn add(
        &mut self,
        source: Rc<dyn WeightSource>,
        header: &Header,
        name: impl Fn(&str) -> Option<String>,
    ) -> Result<()> {
        let file = self.files.len();
        let scaled: HashSet<&str> = header
            .entries
            .iter()
            .filter(|entry| is_scaled(entry))
            .map(|entry| entry.name.as_str())
            .collect();
        let scales: HashMap<&str, &Entry> = header
            .entries
            .iter()
            .filter_map(|entry| Some((entry.name.strip_suffix(SCALE)?, entry)))
            .filter(|(name, _)| scaled.contains(name))
            .collect();
        let mut seen: HashMap<String, String> = self
            .stored
            .iter()
            .map(|stored| (stored.name.clone(), stored.entry.name.clone()))
            .collect();
        for entry in &header.entries {
            let is_scale = entry
                .name
                .strip_suffix(SCALE)
                .is_some_and(|scaled| scales.contains_key(scaled));
            let Some(name) = name(&entry.name).filter(|_| !is_scale) else {
                continue;
            };
            match seen.entry(name.clone()) {
                hash_map::Entry::Occupied(other) => {
                    return Err(Error::Weights {
                        place: source.place().to_owned(),
                        problem: format!(
                            "it holds {name:?} twice, as {:?} and as {:?}",
                            other.get(),
                            entry.name
                        ),
                    });
                }
                hash_map::Entry::Vacant(place) => place.insert(entry.name.clone()),
            };
            self.stored.push(Stored {
                name,
                entry: entry.clone(),
                file,
                scale: scales.get(entry.name.as_str()).map(|&scale| scale.clone()),
            });
        }
        self.files.push(source);
        Ok(())
    }

    /// The tensors, in the order they lie in their files.
    pub fn stored(&self) -> &[Stored] {
        &self.stored
    }

    /// Keeps only the tensors that `test` is true of.
    pub fn retain(&mut self, test: impl Fn(&Stored) -> bool) {
        self.stored.retain(test);
    }

    /// How many numbers there are.
    pub fn elements(&self) -> u64 {
        let elements = self.stored.iter().map(|stored| stored.entry.elements());
        elements.map(|elements| elements as u64).sum()
    }

    /// Bytes these take in their files.
    pub fn stored_bytes(&self) -> u64 {
        self.stored.iter().map(Stored::bytes).sum()
    }

    /// The file of a tensor, for messages.
    pub fn place(&self, stored: &Stored) -> &str {
        self.files[stored.file].place()
    }

    /// The first file, for messages about all of them.
    pub fn first_place(&self) -> &str {
        self.files
            .first()
            .map_or("the checkpoint", |file| file.place())
    }

    /// The first bytes of a tensor as they are stored, no more than so many.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn first_bytes(&self, stored: &Stored, limit: u64) -> Result<Vec<u8>> {
        let Range { start, end } = stored.entry.bytes;
        let source = &self.files[stored.file];
        source.read(start..end.min(start + limit)).await
    }

    /// Starts reading tensors one after the other.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            tensors: self,
            window: Window::default(),
            scales: Window::default(),
        }
    }
}

impl Stored {
    /// Bytes it takes in its file.
    pub fn bytes(&self) -> u64 {
        let scale = self
            .scale
            .as_ref()
            .map_or(0, |scale| scale.bytes.end - scale.bytes.start);
        self.entry.bytes.end - self.entry.bytes.start + scale
    }
}

fn is_scaled(entry: &Entry) -> bool {
    matches!(entry.dtype, Dtype::I8 | Dtype::U8)
}

/// Reads tensors piece by piece; cheapest in the order they are stored.
pub struct Reader<'a> {
    tensors: &'a Tensors,
    window: Window,
    // Apart, so that a look at the scales does not lose the place between neighbours.
    scales: Window,
}

/// Bytes that were read ahead.
#[derive(Default)]
struct Window {
    file: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    async fn read(&mut self, tensors: &Tensors, file: usize, bytes: &Range<u64>) -> Result<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        let inside = self.file == file && self.start <= bytes.start && bytes.end <= end;
        if !inside {
            let source = &tensors.files[file];
            let ahead = (bytes.start + READ_BYTES).min(source.size_bytes().await?);
            *self = Self {
                file,
                start: bytes.start,
                bytes: source.read(bytes.start..bytes.end.max(ahead)).await?,
            };
        }
        let start = (bytes.start - self.start) as usize;
        Ok(&self.bytes[start..start + (bytes.end - bytes.start) as usize])
    }
}

impl Reader<'_> {
    /// Hands over a tensor's numbers in row-major order, in pieces of a few megabytes at most.
    ///
    /// # Errors
    /// When they cannot be read, are of a type that holds no weights, or are not finite; and what `take` fails with.
    pub async fn read(
        &mut self,
        stored: &Stored,
        take: &mut dyn FnMut(&[f32]) -> Result<()>,
    ) -> Result<()> {
        let entry = &stored.entry;
        if entry.order.is_empty() {
            return self.as_it_lies(stored, take).await;
        }
        let mut lying = Vec::with_capacity(entry.elements());
        let mut keep = |piece: &[f32]| {
            lying.extend_from_slice(piece);
            Ok(())
        };
        self.as_it_lies(stored, &mut keep).await?;
        let numbers = in_rows(&lying, &entry.shape, &entry.order);
        numbers.chunks(PIECE_ELEMENTS).try_for_each(take)
    }

    /// The same in the order of the file.
    async fn as_it_lies(
        &mut self,
        stored: &Stored,
        take: &mut dyn FnMut(&[f32]) -> Result<()>,
    ) -> Result<()> {
        let entry = &stored.entry;
        let wrong = |problem: String| Error::Weights {
            place: self.tensors.place(stored).to_owned(),
            problem,
        };
        if !is_readable(entry.dtype) {
            return Err(wrong(format!(
                "its tensor {:?} is stored as {:?}, which holds no weights: F32, F16, BF16, F64, F8 and I8 do",
                entry.name, entry.dtype
            )));
        }
        let scales = self.scales(stored).await?;
        let elements = entry.elements();
        let channel = entry.elements() / entry.shape.first().copied().unwrap_or(1).max(1);
        let width = entry.dtype.bitsize() as u64 / 8;
        let mut piece = Vec::new();
        let mut first = 0;
        while first < elements {
            let count = PIECE_ELEMENTS.min(elements - first);
            let start = entry.bytes.start + first as u64 * width;
            let bytes = start..start + count as u64 * width;
            piece.clear();
            let window = &mut self.window;
            let bytes = window.read(self.tensors, stored.file, &bytes).await?;
            decode(entry.dtype, bytes, &mut piece);
            if let Some(scales) = &scales {
                rescale(&mut piece, first, channel, scales);
            }
            if let Some(index) = piece.iter().position(|number| !number.is_finite()) {
                return Err(Error::Weights {
                    place: self.tensors.place(stored).to_owned(),
                    problem: format!(
                        "its tensor {:?} holds {} at {}: the file is damaged, fetch it again",
                        entry.name,
                        piece[index],
                        first + index
                    ),
                });
            }
            take(&piece)?;
            first += count;
        }
        Ok(())
    }

    /// The scales of an 8-bit tensor, one per output channel.
    async fn scales(&mut self, stored: &Stored) -> Result<Option<Vec<f32>>> {
        if !is_scaled(&stored.entry) {
            return Ok(None);
        }
        let channels = stored.entry.shape.first().copied().unwrap_or(1);
        let scale = stored.scale.as_ref();
        let Some(scale) =
            scale.filter(|scale| scale.dtype == Dtype::F32 && scale.elements() == channels)
        else {
            return Err(Error::Weights {
                place: self.tensors.place(stored).to_owned(),
                problem: format!(
                    "its 8-bit tensor {:?} needs {channels} F32 scales under the name \"{}{SCALE}\"",
                    stored.entry.name, stored.entry.name
                ),
            });
        };
        let window = &mut self.scales;
        let bytes = window.read(self.tensors, stored.file, &scale.bytes).await?;
        let mut scales = Vec::with_capacity(channels);
        decode(scale.dtype, bytes, &mut scales);
        Ok(Some(scales))
    }
}

/// Numbers in row-major order that lie by these axes, the outermost first.
fn in_rows(lying: &[f32], shape: &[usize], order: &[usize]) -> Vec<f32> {
    let mut steps = vec![0; shape.len()];
    let mut step = 1_usize;
    for &axis in order.iter().rev() {
        steps[axis] = step;
        step = step.saturating_mul(shape[axis]);
    }
    let place = |mut at: usize| {
        let mut from = 0;
        for (extent, step) in shape.iter().zip(&steps).rev() {
            from += at % extent * step;
            at /= extent;
        }
        from
    };
    (0..lying.len()).map(|at| lying[place(at)]).collect()
}

/// Reads one tensor of a safetensors file, whole: its shape and its elements.
///
/// # Errors
/// When the file is not what it should be or has no tensor of that name.
pub async fn read_tensor(
    source: Rc<dyn WeightSource>,
    name: &str,
) -> Result<(Vec<usize>, Vec<f32>)> {
    require_safetensors(&*source).await?;
    let header = Header::read(&*source).await?;
    let place = source.place().to_owned();
    let mut tensors = Tensors::default();
    tensors.add(source, &header, |found| {
        (found == name).then(|| name.to_owned())
    })?;
    let Some(stored) = tensors.stored().first() else {
        let others: Vec<&str> = header
            .entries
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        return Err(Error::Weights {
            place,
            problem: format!("it has no tensor {name:?}, only {}", others.join(", ")),
        });
    };
    let mut elements = Vec::new();
    let mut reader = tensors.reader();
    let mut take = |piece: &[f32]| {
        elements.extend_from_slice(piece);
        Ok(())
    };
    reader.read(stored, &mut take).await?;
    Ok((stored.entry.shape.clone(), elements))
}
