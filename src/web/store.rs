//! Models in the site's own storage (the origin private file system).
//!
//! `models/NAME/` has `about.json`, which is written first and says what belongs there; `files/`, the files, each as
//! long as it has come so far; and `whole`, an empty file that is made last. So a reload, a crash or a full disk leaves
//! something that can be gone on with, and never something that looks like a model and is none.

use std::{collections::BTreeMap, rc::Rc};

use js_sys::Uint8Array;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, FileSystemDirectoryHandle as Folder};

use super::{
    browser::{Hold, Lock, lock, own_folder, wait},
    opfs::{self, Writer, file, folder, in_use, names, read, text, there, write},
    sources::{BlobFile, BlobFiles},
};
use crate::{
    error::{Error, Result},
    weights::{Files, WeightSource},
};

const MODELS: &str = "models";
const ABOUT: &str = "about.json";
const FILES: &str = "files";
const WHOLE: &str = "whole";

/// What belongs to a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Each file's path and bytes.
    pub files: Vec<(String, u64)>,
    /// Whether it is one file, not a folder of them.
    pub is_single: bool,
    /// Where it is fetched from.
    pub url: Option<String>,
    /// What its bytes must sum to.
    pub sha256: Option<String>,
    /// What its server, or the visitor's disk, calls this version of it.
    pub tag: Option<String>,
}

impl About {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// A model that is stored, whole or in part.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What belongs to it.
    pub about: About,
    /// Bytes that are there.
    pub done_bytes: u64,
    /// Whether it is whole.
    pub is_whole: bool,
}

/// What a stored model is read from.
pub enum Opened {
    /// A single file.
    Single(Rc<dyn WeightSource>),
    /// A folder in the diffusers layout.
    Folder(Rc<dyn Files>),
}

/// The site's own storage.
pub struct Store {
    models: Folder,
}

impl Store {
    /// Opens it; nothing where this browser stores nothing.
    pub async fn open() -> Option<Self> {
        let models = folder(&own_folder().await?, MODELS, true).await.ok()?;
        Some(Self { models })
    }

    /// The models in it by their names.
    ///
    /// # Errors
    /// When the browser fails.
    pub async fn list(&self) -> Result<BTreeMap<String, Stored>> {
        let mut found = BTreeMap::new();
        for name in names(&self.models)
            .await
            .map_err(|error| read("stored models", &error))?
        {
            if let Some(stored) = self.find(&name).await? {
                found.insert(name, stored);
            }
        }
        Ok(found)
    }

    /// What there is of a model.
    ///
    /// # Errors
    /// When the browser fails.
    pub async fn find(&self, name: &str) -> Result<Option<Stored>> {
        let failed = |error: JsValue| read(name, &error);
        let Some(model) = there(folder(&self.models, name, false).await).map_err(failed)? else {
            return Ok(None);
        };
        let about = match there(file(&model, ABOUT, false).await).map_err(failed)? {
            Some(handle) => text(&handle).await.map_err(failed)?,
            None => String::new(),
        };
        // What was cut off while it was written belongs to a model of which nothing came.
        let about: About = serde_json::from_str(&about).unwrap_or_default();
        let is_whole = there(file(&model, WHOLE, false).await)
            .map_err(failed)?
            .is_some();
        let mut done_bytes = 0;
        for (path, _) in &about.files {
            done_bytes += self.done_bytes(name, path).await?;
        }
        Ok(Some(Stored {
            about,
            done_bytes,
            is_whole,
        }))
    }

    async fn done_bytes(&self, name: &str, path: &str) -> Result<u64> {
        let blob = self.blob(name, path).await?;
        Ok(blob.map_or(0, |blob| blob.size() as u64))
    }

    async fn blob(&self, name: &str, path: &str) -> Result<Option<Blob>> {
        let blob = async {
            let Some((folder, leaf)) = self.parent(name, path, false).await? else {
                return Ok(None);
            };
            let Some(handle) = there(file(&folder, leaf, false).await)? else {
                return Ok(None);
            };
            wait(handle.get_file())
                .await
                .map(|file| Some(file.unchecked_into()))
        };
        blob.await
            .map_err(|error| read(&format!("{name}/{path}"), &error))
    }

    /// The folder that a file is in, and the file's own name.
    async fn parent<'a>(
        &self,
        name: &str,
        path: &'a str,
        create: bool,
    ) -> Result<Option<(Folder, &'a str)>, JsValue> {
        let mut at = self.models.clone();
        let (folders, leaf) = path.rsplit_once('/').unwrap_or(("", path));
        let inner = folders.split('/').filter(|part| !part.is_empty());
        for part in [name, FILES].into_iter().chain(inner) {
            match there(folder(&at, part, create).await)? {
                Some(found) => at = found,
                None => return Ok(None),
            }
        }
        Ok(Some((at, leaf)))
    }

    /// Opens a whole model for reading. Until the lock is dropped, no tab removes it.
    ///
    /// # Errors
    /// When it is not there, not whole, or another tab is changing it.
    pub async fn read(&self, name: &str) -> Result<(Opened, Lock)> {
        let held = self.hold(name, Hold::Shared).await?;
        let stored = self.find(name).await?.filter(|stored| stored.is_whole);
        let missing = || Error::Request(format!("the model {name:?} is not stored here: add it"));
        let about = stored.ok_or_else(missing)?.about;
        let mut blobs = BTreeMap::new();
        for (path, _) in &about.files {
            let blob = self.blob(name, path).await?.ok_or_else(missing)?;
            blobs.insert(path.clone(), blob);
        }
        if about.is_single {
            let (_, blob) = blobs.pop_first().ok_or_else(missing)?;
            return Ok((Opened::Single(Rc::new(BlobFile::new(name, blob))), held));
        }
        Ok((Opened::Folder(Rc::new(BlobFiles::new(name, blobs))), held))
    }

    /// Begins to write a model, or goes on with what is there of the same one. No other tab writes it then.
    ///
    /// # Errors
    /// When another tab does already, or the browser fails.
    pub async fn begin(&self, name: &str, about: &About) -> Result<Writing<'_>> {
        let held = self.hold(name, Hold::Exclusive).await?;
        let goes_on = match self.find(name).await? {
            Some(stored) if stored.about == *about && !stored.is_whole => true,
            Some(_) => {
                self.delete(name).await?;
                false
            }
            None => false,
        };
        if !goes_on {
            let failed = |error: JsValue| write(name, &error);
            let model = folder(&self.models, name, true).await.map_err(failed)?;
            let handle = file(&model, ABOUT, true).await.map_err(failed)?;
            let json = serde_json::to_vec(about).expect("it is strings and numbers");
            let mut file = Writer::open(&handle, name).await?;
            file.append(&Uint8Array::from(&json[..]))?;
        }
        Ok(Writing {
            store: self,
            name: name.to_owned(),
            _held: held,
        })
    }

    /// Deletes a model, or what there is of one.
    ///
    /// # Errors
    /// When another tab is using it, or the browser fails.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let _held = self.hold(name, Hold::Exclusive).await?;
        self.delete(name).await
    }

    async fn delete(&self, name: &str) -> Result<()> {
        opfs::delete(&self.models, name)
            .await
            .map_err(|error| write(name, &error))
    }

    async fn hold(&self, name: &str, hold: Hold) -> Result<Lock> {
        lock(&format!("guidestar/{MODELS}/{name}"), hold)
            .await
            .ok_or_else(|| in_use(name))
    }
}

/// A model that is being written, by this tab alone.
pub struct Writing<'a> {
    store: &'a Store,
    name: String,
    _held: Lock,
}

impl Writing<'_> {
    /// Opens one of its files to append to.
    ///
    /// # Errors
    /// When the browser fails.
    pub async fn file(&self, path: &str) -> Result<Writer> {
        let handle = async {
            let (folder, leaf) = self.store.parent(&self.name, path, true).await?.ok_or("")?;
            file(&folder, leaf, true).await
        };
        let handle = handle.await.map_err(|error| write(path, &error))?;
        Writer::open(&handle, &self.name).await
    }

    /// What has been written of a file.
    ///
    /// # Errors
    /// When the browser fails.
    pub async fn blob(&self, path: &str) -> Result<Option<Blob>> {
        self.store.blob(&self.name, path).await
    }

    /// Declares it whole.
    ///
    /// # Errors
    /// When the browser fails.
    pub async fn finish(self) -> Result<()> {
        let model = folder(&self.store.models, &self.name, false).await;
        let model = model.map_err(|error| write(&self.name, &error))?;
        let made = file(&model, WHOLE, true).await;
        made.map(drop).map_err(|error| write(&self.name, &error))
    }

    /// Deletes it.
    ///
    /// # Errors
    /// When the browser fails.
    pub async fn discard(self) -> Result<()> {
        self.store.delete(&self.name).await
    }
}
