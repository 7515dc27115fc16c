//! Files: written whole or not at all, and never over another file unasked.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// Writes a file so that nobody ever sees half of it: under another name in the same folder first, then renamed.
///
/// # Errors
/// When the folder is missing or not writable, or the disk is full; nothing is left behind then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    whole(path, bytes).map_err(|source| failed(path, source))
}

fn whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    // `File::create` gives the permissions any new file gets; a temporary file would be its owner's alone.
    let mut file = tempfile::Builder::new()
        .prefix(".guidestar-")
        .make_in(folder, |name| fs::File::create_new(name))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Finds out whether a file could be written there, without leaving one.
///
/// # Errors
/// When it could not.
pub fn check_writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        let source = io::Error::new(io::ErrorKind::IsADirectory, "it is a folder");
        return Err(failed(path, source));
    }
    let probe = tempfile::Builder::new()
        .prefix(".guidestar-")
        .tempfile_in(folder_of(path));
    probe.map(drop).map_err(|source| failed(path, source))
}

/// The first of `apple.png`, `apple-2.png`, `apple-3.png`... that is not taken.
pub fn free_name(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map(|ending| ending.to_string_lossy());
    let numbered = |number: usize| match &ending {
        Some(ending) => path.with_file_name(format!("{stem}-{number}.{ending}")),
        None => path.with_file_name(format!("{stem}-{number}")),
    };
    let mut name = path.to_owned();
    let mut number = 1;
    while name.exists() {
        number += 1;
        name = numbered(number);
    }
    name
}

/// Reads a whole file.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| Error::Read {
        place: path.display().to_string(),
        source,
    })
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
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
    fn names_that_are_taken_are_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("apple.png");
        assert_eq!(free_name(&path), path);
        write(&path, b"1").unwrap();
        write(&folder.path().join("apple-2.png"), b"2").unwrap();
        assert_eq!(free_name(&path), folder.path().join("apple-3.png"));
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing").join("apple.png");
        assert!(write(&missing, b"1").is_err());
        assert!(check_writable(&missing).is_err());
        // A folder stands where the file should: the rename fails after everything was written.
        assert!(write(folder.path(), b"1").is_err());
        assert!(check_writable(folder.path()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("apple.png");
        write(&path, b"long ago").unwrap();
        write(&path, b"now").unwrap();
        assert_eq!(read(&path).unwrap(), b"now");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
