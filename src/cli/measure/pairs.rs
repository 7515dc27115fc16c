//! Which pictures are measured, and which is beside each.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What files are called that are taken from a folder.
const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "bmp"];

/// A picture, and the one that it is compared with.
#[derive(Debug, PartialEq, Eq)]
pub struct Pair {
    /// The picture.
    pub picture: PathBuf,
    /// What it is called in a table.
    pub name: String,
    /// The other one.
    pub against: Option<PathBuf>,
}

/// Finds every picture in what was named, and its counterpart.
///
/// # Errors
/// When something is not there, or has no counterpart.
pub fn pairs(named: &[PathBuf], against: Option<&Path>) -> Result<Vec<Pair>> {
    let mut pictures = Vec::new();
    for path in named {
        if path.is_dir() {
            pictures.extend(inside(path)?);
        } else if path.exists() {
            pictures.push(path.clone());
        } else {
            return Err(Error::Request(format!(
                "there is no picture {}",
                path.display()
            )));
        }
    }
    let pair = |picture: PathBuf| {
        let name = picture.file_name().unwrap_or_default();
        let against = match against {
            Some(folder) if folder.is_dir() => Some(folder.join(name)),
            Some(file) => Some(file.to_owned()),
            None => None,
        };
        if let Some(other) = against.as_ref().filter(|other| !other.exists()) {
            return Err(Error::Request(format!(
                "there is no picture {} to compare {} with",
                other.display(),
                picture.display()
            )));
        }
        Ok(Pair {
            name: name.to_string_lossy().into_owned(),
            against,
            picture,
        })
    };
    pictures.into_iter().map(pair).collect()
}

/// The pictures in a folder, by name.
fn inside(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Read {
        place: folder.display().to_string(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().unwrap_or_default();
        let known = ENDINGS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known));
        if known && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(Error::Request(format!(
            "there are no pictures in {}: PNG, JPEG, WebP, GIF and BMP files are looked for",
            folder.display()
        )));
    }
    found.sort();
    Ok(found)
}
