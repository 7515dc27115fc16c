//! The latents that were found for sources, in the site's own storage: who edits a picture again need not wait, after a
//! reload either.
//!
//! `traces/` has a file for each, named after everything they depend on. They only save time, so that nothing that goes wrong with
//! them ends a job; together they are bounded, and the oldest make room for new ones.

use std::rc::Rc;

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{File, FileSystemDirectoryHandle as Folder};

use super::{
    browser::{own_folder, wait},
    messages::TracesSaid,
    opfs::{Writer, delete, file, folder, names, there, write},
    sources::BlobFile,
};
use crate::{
    error::Result,
    session::{Origin, Traced},
};

const TRACES: &str = "traces";
/// All of them take at most this: at 512 pixels and 50 steps, nineteen.
const MOST_BYTES: u64 = 64 << 20;

/// The latents in the site's own storage.
pub struct Traces {
    folder: Folder,
}

impl Traces {
    /// Opens them; nothing where this browser stores nothing.
    pub async fn open() -> Option<Self> {
        let folder = folder(&own_folder().await?, TRACES, true).await.ok()?;
        Some(Self { folder })
    }

    /// What is there.
    pub async fn said(&self) -> TracesSaid {
        let kept = self.kept().await.unwrap_or_default();
        TracesSaid {
            count: kept.len(),
            bytes: kept.iter().map(|file| file.size() as u64).sum(),
        }
    }

    /// The latents of a source, if they are there and whole.
    pub async fn read(&self, origin: &Origin) -> Option<Traced> {
        let name = name(origin);
        let stored = self.file(&name).await.ok()??;
        let source = BlobFile::new(&name, stored.into());
        match Traced::read(Rc::new(source)).await {
            Ok(traced) if traced.origin == *origin => Some(traced),
            // A tab that was closed while it wrote leaves a part.
            _ => {
                let _ = delete(&self.folder, &name).await;
                None
            }
        }
    }

    /// Stores latents, in place of the oldest where there would be too many.
    ///
    /// # Errors
    /// When the browser has no room, or fails.
    pub async fn keep(&self, traced: &Traced) -> Result<()> {
        let name = name(&traced.origin);
        let bytes = Uint8Array::from(&traced.to_bytes()[..]);
        let failed = |error: JsValue| write(&name, &error);
        self.make_room(u64::from(bytes.length()))
            .await
            .map_err(failed)?;
        let handle = file(&self.folder, &name, true).await.map_err(failed)?;
        let written = async {
            let mut writer = Writer::open(&handle, &name).await?;
            writer.clear()?;
            writer.append(&bytes)
        };
        let written = written.await;
        if written.is_err() {
            let _ = delete(&self.folder, &name).await;
        }
        written
    }

    /// Deletes them all.
    ///
    /// # Errors
    /// When the browser fails.
    pub async fn clear(&self) -> Result<()> {
        let clearing = async {
            for name in names(&self.folder).await? {
                delete(&self.folder, &name).await?;
            }
            Ok(())
        };
        clearing.await.map_err(|error| write(TRACES, &error))
    }

    /// Deletes the oldest until so many more bytes are not too many.
    async fn make_room(&self, bytes: u64) -> Result<(), JsValue> {
        let mut kept = self.kept().await?;
        kept.sort_by(|a, b| b.last_modified().total_cmp(&a.last_modified()));
        let mut total = bytes;
        for file in kept {
            total += file.size() as u64;
            if total > MOST_BYTES {
                delete(&self.folder, &file.name()).await?;
            }
        }
        Ok(())
    }

    async fn kept(&self) -> Result<Vec<File>, JsValue> {
        let mut kept = Vec::new();
        for name in names(&self.folder).await? {
            kept.extend(self.file(&name).await?);
        }
        Ok(kept)
    }

    async fn file(&self, name: &str) -> Result<Option<File>, JsValue> {
        let Some(handle) = there(file(&self.folder, name, false).await)? else {
            return Ok(None);
        };
        let file = there(wait(handle.get_file()).await)?;
        Ok(file.map(JsCast::unchecked_into))
    }
}

fn name(origin: &Origin) -> String {
    format!("{}.safetensors", origin.name())
}
