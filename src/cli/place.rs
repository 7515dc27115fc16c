//! Where results are written: decided, and tried, before any work begins.

use std::path::{Path, PathBuf};

use super::flags::Output;
use crate::{
    error::{Error, Result},
    picture::file,
};

/// Letters of a prompt that a file's name repeats.
const SLUG_LETTERS: usize = 60;

/// Where results are written.
pub struct Place {
    folder: PathBuf,
    stem: String,
    /// The file's name was given, and one picture takes it as it is.
    named: bool,
    overwrite: bool,
    latents: Option<PathBuf>,
}

impl Place {
    /// Decides where results go, and finds out that they can.
    ///
    /// # Errors
    /// When they cannot.
    pub fn new(output: &Output, prompt: &str) -> Result<Self> {
        let (folder, stem, named) = match &output.out {
            Some(path) if is_png(path) && !path.is_dir() => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                let folder = path.parent().unwrap_or(Path::new("")).to_owned();
                (folder, stem.into_owned(), true)
            }
            Some(path) if is_other_picture(path) => {
                return Err(Error::Request(format!(
                    "pictures are written as PNG, which remembers how they were made: {} should end in .png",
                    path.display()
                )));
            }
            Some(folder) => (folder.clone(), slug(prompt), false),
            None => (PathBuf::new(), slug(prompt), false),
        };
        if named {
            writable(&folder.join("picture.png"))?;
        } else {
            writable(&first_existing(&folder).join("picture.png"))?;
        }
        if let Some(latents) = &output.save_latents {
            writable(latents)?;
        }
        Ok(Self {
            folder,
            stem,
            named,
            overwrite: output.yes,
            latents: output.save_latents.clone(),
        })
    }

    /// The file for a picture.
    pub fn picture(&self, seed: u64, count: usize) -> PathBuf {
        if self.named && count == 1 {
            return self.free(format!("{}.png", self.stem));
        }
        self.free(format!("{}-{seed}.png", self.stem))
    }

    /// The file for one of several results, by what it is.
    pub fn named(&self, what: &str) -> PathBuf {
        let what = slug(what);
        self.free(format!("{}-{what}.png", self.stem))
    }

    /// The file for the only result.
    pub fn only(&self, what: &str) -> PathBuf {
        if self.named {
            self.free(format!("{}.png", self.stem))
        } else {
            self.named(what)
        }
    }

    /// The file for one of several pictures of a seed.
    pub fn variant(&self, seed: u64, count: usize, name: &str) -> PathBuf {
        if self.named && count == 1 {
            return self.free(format!("{}-{name}.png", self.stem));
        }
        self.free(format!("{}-{seed}-{name}.png", self.stem))
    }

    /// The file for numbers that belong to a picture of a seed.
    pub fn table(&self, seed: u64, count: usize, name: &str) -> PathBuf {
        if self.named && count == 1 {
            return self.free(format!("{}-{name}.csv", self.stem));
        }
        self.free(format!("{}-{seed}-{name}.csv", self.stem))
    }

    /// The file for a contact sheet.
    pub fn sheet(&self) -> PathBuf {
        self.free(format!("{}-sheet.png", self.stem))
    }

    /// The file for the final latents, when they are wanted.
    pub fn latents(&self) -> Option<PathBuf> {
        let path = self.latents.as_ref()?;
        Some(if self.overwrite {
            path.clone()
        } else {
            file::free_name(path)
        })
    }

    /// Writes a file, and makes the folder first when it was named and is not there.
    ///
    /// # Errors
    /// When that fails.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        if !self.folder.as_os_str().is_empty() && !self.folder.exists() {
            std::fs::create_dir_all(&self.folder).map_err(|source| Error::Write {
                place: self.folder.display().to_string(),
                source,
            })?;
        }
        file::write(path, bytes)
    }

    fn free(&self, name: String) -> PathBuf {
        let path = self.folder.join(name);
        if self.overwrite {
            path
        } else {
            file::free_name(&path)
        }
    }
}

/// Turns a failure to write into a request to change: nothing was lost yet.
fn writable(path: &Path) -> Result<()> {
    file::check_writable(path).map_err(|error| match error {
        Error::Write { source, .. } => Error::Request(format!(
            "nothing can be written to {}: {source}; choose another place with --out",
            path.parent().unwrap_or(path).display()
        )),
        other => other,
    })
}

/// The innermost folder of a path that is there already.
fn first_existing(folder: &Path) -> &Path {
    let mut there = folder;
    while !there.exists() {
        match there.parent() {
            Some(parent) => there = parent,
            None => break,
        }
    }
    there
}

fn is_png(path: &Path) -> bool {
    ends_in(path, &["png"])
}

/// A picture in another format, where a folder can hardly be meant.
fn is_other_picture(path: &Path) -> bool {
    ends_in(
        path,
        &["jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "avif"],
    )
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let found = path.extension().unwrap_or_default();
    endings
        .iter()
        .any(|ending| found.eq_ignore_ascii_case(ending))
}

/// A prompt as a file's name: words joined by hyphens, nothing a shell or another system would mind.
fn slug(prompt: &str) -> String {
    let mut name = String::new();
    for letter in prompt.chars().flat_map(char::to_lowercase) {
        if letter.is_alphanumeric() {
            name.push(letter);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if name.chars().count() == SLUG_LETTERS {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() {
        "picture".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_prompts() {
        assert_eq!(slug("A red apple, on \"blue\"!"), "a-red-apple-on-blue");
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug(""), "picture");
        assert_eq!(slug("🍎"), "picture");
        assert!(slug(&"word ".repeat(10_000)).chars().count() <= SLUG_LETTERS);
    }
}
