//! Files that the visitor chose, and those in the site's own storage: both are blobs.

use std::{collections::BTreeMap, ops::Range, rc::Rc};

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::Blob;

use crate::{
    error::{Error, Result},
    web::browser::{thrown, wait},
    weights::{
        WeightSource,
        source::{Files, Reading, past_the_end},
    },
};

/// A file of the browser's, read by ranges: nothing but the range comes into memory.
pub struct BlobFile {
    place: String,
    blob: Blob,
}

impl BlobFile {
    /// Names a blob, so that messages can say which it is.
    pub fn new(place: impl Into<String>, blob: Blob) -> Self {
        Self {
            place: place.into(),
            blob,
        }
    }

    /// Reads a range without bringing it into wasm's memory.
    ///
    /// # Errors
    /// When the file is gone, has changed, or ends before the range does.
    pub async fn read_raw(&self, bytes: Range<u64>) -> Result<Uint8Array> {
        let failed = |error: JsValue| Error::Read {
            place: self.place.clone(),
            source: thrown(&error),
        };
        let [start, end] = [bytes.start, bytes.end].map(|at| at as f64);
        let part = self.blob.slice_with_f64_and_f64(start, end);
        let buffer = wait(part.map_err(failed)?.array_buffer());
        let read = Uint8Array::new(&buffer.await.map_err(failed)?);
        if u64::from(read.length()) != bytes.end - bytes.start {
            return Err(past_the_end(&self.place, &bytes));
        }
        Ok(read)
    }
}

/// The text of a blob.
///
/// # Errors
/// When it cannot be read.
pub async fn text(place: &str, blob: &Blob) -> Result<String> {
    let text = wait(blob.text()).await.map_err(|error| Error::Read {
        place: place.to_owned(),
        source: thrown(&error),
    })?;
    Ok(text.as_string().unwrap_or_default())
}

impl WeightSource for BlobFile {
    fn place(&self) -> &str {
        &self.place
    }

    fn size_bytes(&self) -> Reading<'_, u64> {
        Box::pin(async { Ok(self.blob.size() as u64) })
    }

    fn read(&self, bytes: Range<u64>) -> Reading<'_, Vec<u8>> {
        Box::pin(async move { Ok(self.read_raw(bytes).await?.to_vec()) })
    }
}

/// Blobs by their paths inside a checkpoint.
pub struct BlobFiles {
    place: String,
    blobs: BTreeMap<String, Blob>,
}

impl BlobFiles {
    /// Names a set of blobs.
    pub fn new(place: impl Into<String>, blobs: BTreeMap<String, Blob>) -> Self {
        Self {
            place: place.into(),
            blobs,
        }
    }
}

impl Files for BlobFiles {
    fn place(&self) -> &str {
        &self.place
    }

    fn open<'a>(&'a self, path: &'a str) -> Reading<'a, Option<Rc<dyn WeightSource>>> {
        let found = self.blobs.get(path).map(|blob| {
            let place = format!("{}/{path}", self.place);
            Rc::new(BlobFile::new(place, blob.clone())) as Rc<dyn WeightSource>
        });
        Box::pin(async { Ok(found) })
    }
}
