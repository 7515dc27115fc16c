//! Folders and files of the site's own storage (the origin private file system), in the words of this program.

use js_sys::{AsyncIterator, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    File, FileSystemDirectoryHandle as Folder, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemRemoveOptions,
    FileSystemSyncAccessHandle,
};

use super::browser::{kind, thrown, wait};
use crate::error::{Error, Result};

/// A stored file that is being appended to; nobody else can open it meanwhile.
pub struct Writer {
    place: String,
    handle: FileSystemSyncAccessHandle,
    at: u64,
    unflushed: u64,
}

/// Bytes after which what was written is made sure to be there after a crash.
const FLUSH_BYTES: u64 = 16 << 20;

impl Writer {
    /// Opens a file; `place` is what it belongs to, for whoever reads what went wrong.
    ///
    /// # Errors
    /// When another tab is writing it, or the browser fails.
    pub async fn open(file: &FileSystemFileHandle, place: &str) -> Result<Self> {
        let handle = wait(file.create_sync_access_handle()).await;
        let handle: FileSystemSyncAccessHandle = handle
            .map_err(|error| match kind(&error).as_str() {
                "NoModificationAllowedError" | "InvalidStateError" => in_use(place),
                _ => write(place, &error),
            })?
            .unchecked_into();
        let size = handle.get_size();
        let mut writer = Self {
            place: place.to_owned(),
            handle,
            at: 0,
            unflushed: 0,
        };
        writer.at = size.map_err(|error| write(place, &error))? as u64;
        Ok(writer)
    }

    /// Bytes that are there.
    pub fn len(&self) -> u64 {
        self.at
    }

    /// Throws away what is there.
    ///
    /// # Errors
    /// When the browser fails.
    pub fn clear(&mut self) -> Result<()> {
        let cut = self.handle.truncate_with_u32(0);
        self.at = 0;
        cut.map_err(|error| write(&self.place, &error))
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When there is no room.
    pub fn append(&mut self, bytes: &Uint8Array) -> Result<()> {
        let options = FileSystemReadWriteOptions::new();
        options.set_at(self.at as f64);
        let written = self
            .handle
            .write_with_js_u8_array_and_options(bytes, &options)
            .map_err(|error| write(&self.place, &error))?;
        let length = u64::from(bytes.length());
        if written as u64 != length {
            return Err(full(&self.place));
        }
        self.at += length;
        self.unflushed += length;
        if self.unflushed >= FLUSH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.unflushed = 0;
        self.handle
            .flush()
            .map_err(|error| write(&self.place, &error))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whether or not that succeeds, the file's length says how much is there.
        let _ = self.flush();
        self.handle.close();
    }
}

/// What is being written elsewhere.
pub fn in_use(name: &str) -> Error {
    Error::Request(format!(
        "another tab is busy with the model {name:?}: wait until it is done, or close that tab"
    ))
}

fn full(name: &str) -> Error {
    Error::Weights {
        place: name.to_owned(),
        problem: "the browser has no room left for it: remove another model, or use it for this visit only".to_owned(),
    }
}

/// A failure to read.
pub fn read(place: &str, error: &JsValue) -> Error {
    Error::Read {
        place: format!("{place} in the browser's storage"),
        source: thrown(error),
    }
}

/// A failure to write.
pub fn write(place: &str, error: &JsValue) -> Error {
    if kind(error) == "QuotaExceededError" {
        return full(place);
    }
    Error::Write {
        place: format!("{place} to the browser's storage"),
        source: thrown(error),
    }
}

/// Nothing, instead of an error, for what is not there.
pub fn there<T>(found: Result<T, JsValue>) -> Result<Option<T>, JsValue> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if kind(&error) == "NotFoundError" => Ok(None),
        Err(error) => Err(error),
    }
}

/// A folder inside another.
pub async fn folder(parent: &Folder, name: &str, create: bool) -> Result<Folder, JsValue> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(create);
    let found = wait(parent.get_directory_handle_with_options(name, &options)).await?;
    Ok(found.unchecked_into())
}

/// A file in a folder.
pub async fn file(
    parent: &Folder,
    name: &str,
    create: bool,
) -> Result<FileSystemFileHandle, JsValue> {
    let options = FileSystemGetFileOptions::new();
    options.set_create(create);
    let found = wait(parent.get_file_handle_with_options(name, &options)).await?;
    Ok(found.unchecked_into())
}

/// What is written in a file.
pub async fn text(handle: &FileSystemFileHandle) -> Result<String, JsValue> {
    let file: File = wait(handle.get_file()).await?.unchecked_into();
    let text = wait(file.text()).await?;
    Ok(text.as_string().unwrap_or_default())
}

/// What is in a folder.
pub async fn names(folder: &Folder) -> Result<Vec<String>, JsValue> {
    let mut names = Vec::new();
    let keys: AsyncIterator = folder.keys();
    loop {
        let next: Promise = keys.next()?;
        let next = wait(next).await?;
        if Reflect::get(&next, &"done".into())?.is_truthy() {
            return Ok(names);
        }
        names.extend(Reflect::get(&next, &"value".into())?.as_string());
    }
}

/// Deletes what has this name in a folder, with all that is in it. It may be gone already.
pub async fn delete(parent: &Folder, name: &str) -> Result<(), JsValue> {
    let options = FileSystemRemoveOptions::new();
    options.set_recursive(true);
    let removed = wait(parent.remove_entry_with_options(name, &options)).await;
    there(removed).map(drop)
}
