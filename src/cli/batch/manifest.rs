//! What is done: a file with a line for each picture.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::shard::Shard;
use crate::error::{Error, Result};

/// A picture that is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The job's line, from 1.
    pub line: usize,
    /// The picture's seed.
    pub seed: u64,
    /// The first digits of the SHA-256 of the line's text, so that an edited line is done anew.
    pub job: String,
    /// The picture, in the manifest's folder.
    pub file: String,
}

/// A job that failed. It is tried again when the batch is started again.
#[derive(Serialize)]
struct Failure<'a> {
    line: usize,
    job: String,
    error: &'a str,
}

impl Entry {
    /// The picture of a seed that the line of this number, from 0, asks for.
    pub fn of(number: usize, seed: u64, text: &str) -> Self {
        let line = number + 1;
        Self {
            line,
            seed,
            job: digest(text),
            file: format!("{line:06}-{seed}.png"),
        }
    }
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.trim().as_bytes());
    let first = digest
        .first_chunk::<8>()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{first:016x}")
}

/// What is done, and where that is written.
pub struct Manifest {
    path: PathBuf,
    file: File,
    done: HashSet<Entry>,
}

impl Manifest {
    /// Opens a shard's manifest in a folder, and reads what was done before.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(folder: &Path, shard: Shard) -> Result<Self> {
        let path = folder.join(shard.manifest());
        let failed = |source| failed(&path, source);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        let opening = OpenOptions::new().create(true).append(true).open(&path);
        let mut file = opening.map_err(failed)?;
        // A kill in the middle of a line leaves half of one, which no later line may be glued to.
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").map_err(failed)?;
        }
        // Failures and halves of lines are no entries.
        let entries = text.lines().map(serde_json::from_str::<Entry>);
        Ok(Self {
            done: entries.filter_map(std::result::Result::ok).collect(),
            path,
            file,
        })
    }

    /// Whether this was done before.
    pub fn has(&self, entry: &Entry) -> bool {
        self.done.contains(entry)
    }

    /// Notes a picture that is whole on the disk.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn add(&mut self, entry: &Entry) -> Result<()> {
        self.write(entry)?;
        self.done.insert(entry.clone());
        Ok(())
    }

    /// Notes a job that failed, by its line's number from 0.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn add_failure(&mut self, number: usize, text: &str, error: &str) -> Result<()> {
        self.write(&Failure {
            line: number + 1,
            job: digest(text),
            error,
        })
    }

    fn write(&mut self, what: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(what).expect("an entry is strings and numbers");
        line.push(b'\n');
        let written = self.file.write_all(&line);
        let kept = written.and_then(|()| self.file.sync_data());
        kept.map_err(|source| failed(&self.path, source))
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Write {
        place: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_no_entry_and_spoils_none() {
        let folder = tempfile::tempdir().unwrap();
        let shard: Shard = "0/1".parse().unwrap();
        let [one, two] = [0, 1].map(|number| Entry::of(number, 7, r#"{"prompt": "a fox"}"#));
        let mut manifest = Manifest::open(folder.path(), shard).unwrap();
        manifest.add(&one).unwrap();
        manifest.add_failure(4, "{", "no job").unwrap();
        drop(manifest);
        let path = folder.path().join("manifest.jsonl");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str(r#"{"line":2,"se"#);
        std::fs::write(&path, text).unwrap();
        let mut manifest = Manifest::open(folder.path(), shard).unwrap();
        assert!(manifest.has(&one) && !manifest.has(&two));
        manifest.add(&two).unwrap();
        drop(manifest);
        let manifest = Manifest::open(folder.path(), shard).unwrap();
        assert!(manifest.has(&one) && manifest.has(&two));
        assert!(!manifest.has(&Entry::of(0, 7, r#"{"prompt": "a cat"}"#)));
    }
}
