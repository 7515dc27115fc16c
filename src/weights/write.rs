//! Writes safetensors files, whole or not at all.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use safetensors::Dtype;
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A tensor that is about to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Its name.
    pub name: String,
    /// How its numbers are stored.
    pub dtype: Dtype,
    /// Its extent along each axis.
    pub shape: Vec<usize>,
}

impl Heading {
    /// Bytes its numbers take.
    pub fn bytes(&self) -> u64 {
        let elements: usize = self.shape.iter().product();
        elements as u64 * self.dtype.bitsize() as u64 / 8
    }
}

/// The head of a file whose tensors follow in this order. The same tensors and notes give the same bytes.
pub fn head(metadata: &BTreeMap<String, String>, headings: &[Heading]) -> Vec<u8> {
    let mut object = Map::new();
    if !metadata.is_empty() {
        object.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut start = 0;
    for heading in headings {
        let end = start + heading.bytes();
        let entry = json!({
            "dtype": format!("{:?}", heading.dtype),
            "shape": heading.shape,
            "data_offsets": [start, end],
        });
        object.insert(heading.name.clone(), entry);
        start = end;
    }
    let mut json = Value::Object(object).to_string().into_bytes();
    // The numbers start at a multiple of eight, as the format asks of writers.
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json);
    bytes
}

/// A file that appears under its name when it is whole, and not at all when it is not.
pub struct WholeFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile<File>>,
}

impl WholeFile {
    /// Starts a file, under another name in the same folder.
    ///
    /// # Errors
    /// When the folder is missing or not writable.
    pub fn create(path: &Path) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // `File::create_new` gives the permissions any new file gets; a temporary file would be its owner's alone.
        let file = tempfile::Builder::new()
            .prefix(".guidestar-")
            .make_in(folder, |name| File::create_new(name))
            .map_err(|source| unwritable(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
        })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|source| unwritable(&self.path, source))
    }

    /// Gives the file its name; one that had it before is replaced.
    ///
    /// # Errors
    /// When the disk is full, or the name is taken by a folder.
    pub fn finish(self) -> Result<()> {
        let Self { path, file } = self;
        let done = || -> io::Result<()> {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        done().map_err(|source| unwritable(&path, source))
    }
}

/// A folder that appears under its name when it is whole, and not at all when it is not.
pub struct WholeFolder {
    path: PathBuf,
    unfinished: Unfinished,
}

/// Removes a folder when it is let go of.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It has another name when it was finished.
        if self.0.exists()
            && let Err(error) = fs::remove_dir_all(&self.0)
        {
            log::warn!("could not remove {}: {error}", self.0.display());
        }
    }
}

impl WholeFolder {
    /// Starts a folder, under another name beside its own.
    ///
    /// # Errors
    /// When something of this name is there, or the folder around it is not writable.
    pub fn create(path: &Path) -> Result<Self> {
        if path.exists() {
            return Err(unwritable(path, io::ErrorKind::AlreadyExists.into()));
        }
        let name = format!(".guidestar-{}", std::process::id());
        let unfinished = path.with_file_name(name);
        fs::create_dir(&unfinished).map_err(|source| unwritable(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            unfinished: Unfinished(unfinished),
        })
    }

    /// Starts a file in it, by its path inside; folders are made on the way.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn file(&self, path: &str) -> Result<WholeFile> {
        let file = self.unfinished.0.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|source| unwritable(folder, source))?;
        }
        WholeFile::create(&file)
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// When the name was taken in the meantime.
    pub fn finish(self) -> Result<()> {
        let renamed = fs::rename(&self.unfinished.0, &self.path);
        renamed.map_err(|source| unwritable(&self.path, source))
    }
}

fn unwritable(path: &Path, source: io::Error) -> Error {
    Error::Write {
        place: path.display().to_string(),
        source,
    }
}

/// Writes f32 tensors to a file, which appears when it is whole.
///
/// # Errors
/// When it cannot be written.
///
/// # Panics
/// When a tensor has not as many elements as its shape says.
pub fn save_tensors(path: &Path, tensors: &[(&str, &[usize], &[f32])]) -> Result<()> {
    let headings: Vec<Heading> = tensors
        .iter()
        .map(|&(name, shape, _)| Heading {
            name: name.to_owned(),
            dtype: Dtype::F32,
            shape: shape.to_vec(),
        })
        .collect();
    let mut file = WholeFile::create(path)?;
    file.write(&head(&BTreeMap::new(), &headings))?;
    for (heading, (_, _, elements)) in headings.iter().zip(tensors) {
        let bytes: Vec<u8> = elements.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(bytes.len() as u64, heading.bytes(), "{heading:?}");
        file.write(&bytes)?;
    }
    file.finish()
}
