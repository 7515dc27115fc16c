//! What is served: the files of the page, by their addresses.

use std::{
    borrow::Cow,
    fmt, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::error::{Error, Result};

/// Where `./dev web` builds the page.
const BUILT: &str = "dist";
const START: &str = "index.html";

/// How files may be packed, the smallest first: HTTP's name for it, and what the name of a packed file ends with, behind the name of the
/// file itself.
pub const PACKINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// The page's files as a build with the feature `page` has them: addresses and contents.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/page.rs"));
}

/// The files that can be asked for, and no others.
pub enum Site {
    /// Those in the program.
    Embedded,
    /// Those below a folder; its path has no links left in it.
    Folder(PathBuf),
}

impl Site {
    /// Finds the page.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(folder: Option<&Path>) -> Result<Self> {
        let folder = match folder {
            None if !embedded::FILES.is_empty() => return Ok(Self::Embedded),
            None => Path::new(BUILT),
            Some(folder) => folder,
        };
        if !folder.join(START).is_file() {
            return Err(Error::Request(format!(
                "there is no page in {}: `./dev web` builds it into {BUILT}, or say with --dir where it is",
                folder.display()
            )));
        }
        folder
            .canonicalize()
            .map(Self::Folder)
            .map_err(|source| Error::Read {
                place: folder.display().to_string(),
                source,
            })
    }

    /// The file at an address, `/page/main.js`; `None` when there is none.
    pub fn find(&self, address: &str) -> Option<File> {
        self.at(path(address)?)
    }

    /// A file in a packed form that the build put beside it; `None` when there is none.
    pub fn packed(&self, file: &File, ending: &str) -> Option<File> {
        self.at(format!("{}{ending}", file.path))
    }

    fn at(&self, path: String) -> Option<File> {
        match self {
            Self::Embedded => {
                let (name, bytes) = embedded::FILES.iter().find(|(name, _)| *name == path)?;
                let mut hasher = DefaultHasher::new();
                bytes.hash(&mut hasher);
                Some(File {
                    path: (*name).to_owned(),
                    size_bytes: bytes.len() as u64,
                    tag: format!("\"{:016x}\"", hasher.finish()),
                    body: Body::Memory(bytes),
                })
            }
            Self::Folder(root) => {
                // A link may lead out of the folder: only where it leads counts.
                let place = root.join(&path).canonicalize().ok()?;
                if !place.starts_with(root) {
                    return None;
                }
                let about = fs::metadata(&place).ok().filter(fs::Metadata::is_file)?;
                let changed = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
                Some(File {
                    path,
                    size_bytes: about.len(),
                    tag: format!("\"{:x}-{:x}\"", about.len(), changed.as_nanos()),
                    body: Body::Disk(fs::File::open(place).ok()?),
                })
            }
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("this program"),
            Self::Folder(folder) => folder.display().fmt(f),
        }
    }
}

/// A file that can be served.
pub struct File {
    /// Its path inside the site.
    pub path: String,
    /// How long it is.
    pub size_bytes: u64,
    /// Another one as soon as the content changes.
    pub tag: String,
    body: Body,
}

enum Body {
    Memory(&'static [u8]),
    Disk(fs::File),
}

impl File {
    /// Its bytes from one on.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn read_from(self, start: u64) -> io::Result<Box<dyn Read>> {
        Ok(match self.body {
            Body::Memory(bytes) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                Box::new(&bytes[start.min(bytes.len())..])
            }
            Body::Disk(mut file) => {
                file.seek(SeekFrom::Start(start))?;
                Box::new(file)
            }
        })
    }
}

/// The path inside the site that an address names: no step up, nothing hidden, nothing that a system reads as a separator
/// or a drive.
fn path(address: &str) -> Option<String> {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let decoded = decoded(address.strip_prefix('/')?)?;
    let folder = decoded.is_empty() || decoded.ends_with('/');
    let steps: Vec<_> = decoded.trim_end_matches('/').split('/').collect();
    let fits = |step: &&str| {
        !step.is_empty() && !step.starts_with('.') && !step.contains(['\\', ':', '\0'])
    };
    if !decoded.is_empty() && !steps.iter().all(fits) {
        return None;
    }
    Some(match (decoded.is_empty(), folder) {
        (true, _) => START.to_owned(),
        (false, true) => format!("{decoded}{START}"),
        (false, false) => decoded.into_owned(),
    })
}

/// An address with its `%xx` read; `None` when that is no text.
fn decoded(address: &str) -> Option<Cow<'_, str>> {
    if !address.contains('%') {
        return Some(address.into());
    }
    let mut bytes = Vec::new();
    let mut rest = address.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
            bytes.push((16 * digit(0)? + digit(1)?) as u8);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_files_inside_the_site() {
        let cases = [
            ("/", Some("index.html")),
            ("/?x=1", Some("index.html")),
            ("/page/main.js", Some("page/main.js")),
            ("/page/", Some("page/index.html")),
            ("/a%20b.txt", Some("a b.txt")),
            ("/%C3%A9.txt", Some("é.txt")),
            ("page", None),
            ("/../secret", None),
            ("/page/../../secret", None),
            ("/%2e%2e/secret", None),
            ("/..%2fsecret", None),
            ("/page//main.js", None),
            ("//etc/passwd", None),
            ("/.git/config", None),
            ("/page\\..\\secret", None),
            ("/c:/secret", None),
            ("/a%00b", None),
            ("/%ff", None),
            ("/%", None),
            ("/%2", None),
            ("/%+1", None),
        ];
        for (address, expected) in cases {
            assert_eq!(path(address).as_deref(), expected, "{address}");
        }
    }
}
