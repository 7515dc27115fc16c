//! Safetensors files made by hand, so that they can be wrong.

use std::{cell::Cell, ops::Range, rc::Rc};

use guidestar::weights::{Memory, WeightSource, source::Reading};

/// A file with this head, and this many bytes of numbers behind it.
pub fn with_json(json: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.as_bytes());
    bytes.extend(data);
    bytes
}

/// A tensor: name, type, shape, bytes.
pub type Raw<'a> = (&'a str, &'a str, &'a [usize], Vec<u8>);

/// A file of tensors that lie end to end.
pub fn with_tensors(tensors: &[Raw<'_>]) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let start = data.len();
        data.extend(bytes);
        let end = data.len();
        entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ));
    }
    with_json(&format!("{{{}}}", entries.join(",")), &data)
}

/// Numbers as the bytes of F32.
pub fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// A file in memory, called `file`.
pub fn source(bytes: Vec<u8>) -> Rc<dyn WeightSource> {
    Rc::new(Memory::new("file", bytes))
}

/// A source that remembers how it was read.
pub struct Watched {
    /// What is read.
    pub inner: Rc<dyn WeightSource>,
    /// How many reads there were.
    pub reads: Cell<usize>,
    /// Bytes of the longest one.
    pub longest: Cell<u64>,
}

impl Watched {
    /// Watches a source.
    pub fn new(inner: Rc<dyn WeightSource>) -> Self {
        Self {
            inner,
            reads: Cell::new(0),
            longest: Cell::new(0),
        }
    }
}

impl WeightSource for Watched {
    fn place(&self) -> &str {
        self.inner.place()
    }

    fn size_bytes(&self) -> Reading<'_, u64> {
        self.inner.size_bytes()
    }

    fn read(&self, bytes: Range<u64>) -> Reading<'_, Vec<u8>> {
        self.reads.set(self.reads.get() + 1);
        self.longest
            .set(self.longest.get().max(bytes.end - bytes.start));
        self.inner.read(bytes)
    }
}
