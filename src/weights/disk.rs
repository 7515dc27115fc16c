//! Weights on a disk.

use std::{
    cell::RefCell,
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    checkpoint::{Checkpoint, Ema},
    source::{Files, Reading, WeightSource, past_the_end},
};
use crate::error::{Error, Result};

/// A file on a disk.
pub struct DiskFile {
    place: String,
    file: RefCell<File>,
}

impl DiskFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let place = path.display().to_string();
        match File::open(path) {
            Ok(file) => Ok(Self {
                place,
                file: RefCell::new(file),
            }),
            Err(source) => Err(Error::Read { place, source }),
        }
    }

    fn read_now(&self, bytes: &Range<u64>) -> Result<Vec<u8>> {
        let mut file = self.file.borrow_mut();
        let wrap = |source: std::io::Error| match source.kind() {
            ErrorKind::UnexpectedEof => past_the_end(&self.place, bytes),
            _ => Error::Read {
                place: self.place.clone(),
                source,
            },
        };
        file.seek(SeekFrom::Start(bytes.start)).map_err(wrap)?;
        let mut read = vec![0; bytes.end.saturating_sub(bytes.start) as usize];
        file.read_exact(&mut read).map_err(wrap)?;
        Ok(read)
    }
}

impl WeightSource for DiskFile {
    fn place(&self) -> &str {
        &self.place
    }

    fn size_bytes(&self) -> Reading<'_, u64> {
        let len = self.file.borrow().metadata().map(|metadata| metadata.len());
        Box::pin(async move {
            len.map_err(|source| Error::Read {
                place: self.place.clone(),
                source,
            })
        })
    }

    fn read(&self, bytes: Range<u64>) -> Reading<'_, Vec<u8>> {
        Box::pin(async move { self.read_now(&bytes) })
    }
}

/// A folder on a disk.
pub struct Folder {
    path: PathBuf,
    place: String,
}

impl Folder {
    /// Names a folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let place = path.display().to_string();
        Self { path, place }
    }
}

impl Files for Folder {
    fn place(&self) -> &str {
        &self.place
    }

    fn open<'a>(&'a self, path: &'a str) -> Reading<'a, Option<Rc<dyn WeightSource>>> {
        Box::pin(async move {
            let file = self.path.join(path);
            if !file.is_file() {
                return Ok(None);
            }
            let source: Rc<dyn WeightSource> = Rc::new(DiskFile::open(&file)?);
            Ok(Some(source))
        })
    }
}

/// Opens a checkpoint on a disk: a folder in the diffusers layout, or a single file.
///
/// # Errors
/// When there is none, it is unreadable, or it is not Stable Diffusion 1.x.
pub async fn open_checkpoint(path: &Path, ema: Ema) -> Result<Checkpoint> {
    if path.is_dir() {
        return Checkpoint::open_files(&Folder::new(path)).await;
    }
    Checkpoint::open_file(Rc::new(DiskFile::open(path)?), ema).await
}
