//! Brings bytes into the browser's storage, a few megabytes at a time.

use std::collections::BTreeMap;

use js_sys::Uint8Array;
use sha2::{Digest, Sha256};
use web_sys::{AbortSignal, Blob};

use super::{
    browser::sleep,
    messages::{Act, Said},
    meter::Meter,
    opfs::Writer,
    sources::{self, BlobFile},
    store::Writing,
};
use crate::{
    error::{Error, Result},
    weights::WeightSource,
};

/// Hears what is going on, and may end it.
pub type Tell<'a> = dyn FnMut(Said) -> Result<()> + 'a;

/// Bytes that are copied at a time.
const PIECE_BYTES: u64 = 4 << 20;

/// How often a download is begun anew without a byte having come.
const ATTEMPTS: u32 = 5;

/// Milliseconds before it is begun anew; doubled each time.
const PAUSE_MILLIS: i32 = 250;

/// Copies files; goes on behind what is there of each.
///
/// # Errors
/// When one cannot be read or there is no room, and what `tell` fails with.
pub async fn store(
    writing: &Writing<'_>,
    name: &str,
    blobs: &BTreeMap<String, Blob>,
    tell: &mut Tell<'_>,
) -> Result<()> {
    let total = blobs.values().map(|blob| blob.size() as u64).sum();
    let mut done = 0;
    let mut meter = Meter::new(name, Act::Store, 0, total);
    for (path, blob) in blobs {
        let mut writer = writing.file(path).await?;
        let size = blob.size() as u64;
        if writer.len() > size {
            writer.clear()?;
        }
        let source = BlobFile::new(path.clone(), blob.clone());
        while writer.len() < size {
            let end = (writer.len() + PIECE_BYTES).min(size);
            let piece = source.read_raw(writer.len()..end).await?;
            writer.append(&piece)?;
            if let Some(said) = meter.at(done + writer.len()) {
                tell(said)?;
            }
        }
        done += size;
    }
    Ok(())
}

/// A file that is being fetched.
pub struct Download<'a> {
    /// Where it is.
    pub url: &'a str,
    /// What it is called here.
    pub name: &'a str,
    /// Bytes it has, where that is known.
    pub total_bytes: Option<u64>,
    /// Ends it.
    pub signal: Option<&'a AbortSignal>,
}

impl Download<'_> {
    /// Fetches what is missing. A connection that breaks off is taken up again where it ended.
    ///
    /// # Errors
    /// When the server refuses, does not answer any more, or there is no room; what came stays, to be gone on with.
    pub async fn run(&self, writing: &Writing<'_>, tell: &mut Tell<'_>) -> Result<()> {
        let mut writer = writing.file(self.name).await?;
        if self.total_bytes.is_some_and(|total| writer.len() > total) {
            writer.clear()?;
        }
        let mut attempts = 0;
        let mut pause = PAUSE_MILLIS;
        while self.total_bytes != Some(writer.len()) {
            let before = writer.len();
            let broken = match self.fetch(&mut writer, tell).await {
                // Without a length, the end of the answer is the end of the file.
                Ok(()) if self.total_bytes.is_none() => return Ok(()),
                Ok(()) => None,
                Err(error @ Error::Read { .. }) => Some(error),
                Err(error) => return Err(error),
            };
            if self.total_bytes.is_some_and(|total| writer.len() > total) {
                writer.clear()?;
                return Err(sources::failed(
                    self.url,
                    "more came than the file has bytes",
                ));
            }
            if writer.len() > before {
                (attempts, pause) = (0, PAUSE_MILLIS);
            }
            if self.total_bytes == Some(writer.len()) {
                break;
            }
            attempts += 1;
            if attempts == ATTEMPTS {
                let broken_off = sources::failed(
                    self.url,
                    format!(
                        "it broke off after {} bytes: add it again, and it goes on from there",
                        writer.len()
                    ),
                );
                return Err(broken.filter(|_| writer.len() == 0).unwrap_or(broken_off));
            }
            sleep(pause).await;
            pause *= 2;
        }
        Ok(())
    }

    async fn fetch(&self, writer: &mut Writer, tell: &mut Tell<'_>) -> Result<()> {
        let answer = sources::get(self.url, writer.len(), None, self.signal).await?;
        if !answer.is_part {
            // A server that knows no ranges sends everything anew.
            writer.clear()?;
        }
        let total = self.total_bytes.or(answer.total_bytes).unwrap_or(0);
        let mut meter = Meter::new(self.name, Act::Fetch, writer.len(), total);
        sources::stream(self.url, &answer.response, &mut |chunk: &Uint8Array| {
            writer.append(chunk)?;
            meter.at(writer.len()).map_or(Ok(()), &mut *tell)
        })
        .await
    }
}

/// Compares a file with its SHA-256 sum.
///
/// # Errors
/// When they differ, or the file cannot be read.
pub async fn check(blob: &Blob, name: &str, sha256: &str, tell: &mut Tell<'_>) -> Result<()> {
    let source = BlobFile::new(name, blob.clone());
    let size = blob.size() as u64;
    let mut meter = Meter::new(name, Act::Check, 0, size);
    let mut hasher = Sha256::new();
    let mut at = 0;
    while at < size {
        let end = (at + PIECE_BYTES).min(size);
        hasher.update(source.read(at..end).await?);
        at = end;
        if let Some(said) = meter.at(at) {
            tell(said)?;
        }
    }
    let found = format!("{:x}", hasher.finalize());
    if found == sha256 {
        return Ok(());
    }
    Err(sources::failed(
        name,
        format!(
            "what came has the SHA-256 {found} and should have {sha256}: it was thrown away, fetch it again"
        ),
    ))
}
