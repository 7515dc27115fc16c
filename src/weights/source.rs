//! Where bytes of weights come from.

use std::{borrow::Cow, future::Future, ops::Range, pin::Pin, rc::Rc};

use crate::error::{Error, Result};

/// A read that is under way; it stays on its thread, as everything in a browser must.
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// A file of weights that is read piece by piece: on a disk, in memory, behind HTTP, in a browser's own storage.
pub trait WeightSource {
    /// What to call it in a message: a path, an address.
    fn place(&self) -> &str;

    /// How many bytes it has.
    fn size_bytes(&self) -> Reading<'_, u64>;

    /// Reads exactly these bytes.
    ///
    /// Callers ask for at most a few megabytes at a time. Asking beyond the end is an error.
    fn read(&self, bytes: Range<u64>) -> Reading<'_, Vec<u8>>;
}

/// A file that is in memory already, embedded in the program or made by a test.
pub struct Memory {
    place: String,
    bytes: Cow<'static, [u8]>,
}

impl Memory {
    /// Names bytes, so that messages can say where they are.
    pub fn new(place: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            place: place.into(),
            bytes: bytes.into(),
        }
    }
}

impl WeightSource for Memory {
    fn place(&self) -> &str {
        &self.place
    }

    fn size_bytes(&self) -> Reading<'_, u64> {
        Box::pin(async { Ok(self.bytes.len() as u64) })
    }

    fn read(&self, bytes: Range<u64>) -> Reading<'_, Vec<u8>> {
        Box::pin(async move {
            usize::try_from(bytes.start)
                .ok()
                .zip(usize::try_from(bytes.end).ok())
                .and_then(|(start, end)| self.bytes.get(start..end))
                .map(<[u8]>::to_vec)
                .ok_or_else(|| past_the_end(&self.place, &bytes))
        })
    }
}

/// The files of a checkpoint by their paths inside it, so that a folder, the embedded model and a browser's storage are
/// the same to whoever reads them.
pub trait Files {
    /// What to call the whole in a message.
    fn place(&self) -> &str;

    /// Opens a file by its path, `unet/config.json`; `None` when there is none.
    fn open<'a>(&'a self, path: &'a str) -> Reading<'a, Option<Rc<dyn WeightSource>>>;
}

/// Files that are in memory.
pub struct MemoryFiles {
    place: String,
    files: Vec<(String, Rc<dyn WeightSource>)>,
}

impl MemoryFiles {
    /// An empty set of files.
    pub fn new(place: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            files: Vec::new(),
        }
    }

    /// Adds a file.
    #[must_use]
    pub fn with(mut self, path: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        let source = Memory::new(format!("{}/{path}", self.place), bytes);
        self.files.push((path.to_owned(), Rc::new(source)));
        self
    }
}

impl Files for MemoryFiles {
    fn place(&self) -> &str {
        &self.place
    }

    fn open<'a>(&'a self, path: &'a str) -> Reading<'a, Option<Rc<dyn WeightSource>>> {
        let found = self.files.iter().find(|(name, _)| name == path);
        let source = found.map(|(_, source)| source.clone());
        Box::pin(async { Ok(source) })
    }
}

/// No description of a model is longer than this; CLIP's merges have half a megabyte, its vocabulary 1.1.
const LONGEST_TEXT_BYTES: u64 = 16 << 20;

/// Reads a whole file of text.
///
/// # Errors
/// When it cannot be read, is absurdly long, or is not UTF-8.
pub async fn read_text(source: &dyn WeightSource) -> Result<String> {
    let len = source.size_bytes().await?;
    let problem = |problem: String| Error::Weights {
        place: source.place().to_owned(),
        problem,
    };
    if len > LONGEST_TEXT_BYTES {
        return Err(problem(format!(
            "it has {len} bytes where a page of text was expected"
        )));
    }
    let bytes = source.read(0..len).await?;
    String::from_utf8(bytes)
        .map_err(|_| problem("it is not text (UTF-8): the file is damaged".to_owned()))
}

/// The error of a read that leaves a file.
pub(crate) fn past_the_end(place: &str, bytes: &Range<u64>) -> Error {
    Error::Weights {
        place: place.to_owned(),
        problem: format!(
            "it ends before byte {}: the file was cut short, fetch it again",
            bytes.end
        ),
    }
}
