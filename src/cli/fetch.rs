//! Fetches a checkpoint: goes on where it was broken off, and keeps nothing that is not what it should be.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::stop;
use crate::error::{Error, Result};

/// A file that can be fetched, as its publisher describes it.
pub struct Remote<'a> {
    /// Where it is.
    pub address: &'a str,
    /// How long it is.
    pub bytes: u64,
    /// What its bytes sum to, in hexadecimal.
    pub sha256: &'a str,
}

/// Bytes that are read at a time; Ctrl-C is heard between two reads.
const PIECE_BYTES: usize = 1 << 20;

/// Fetches a file. What has come so far lies under the same name with `.part` behind it.
///
/// # Errors
/// [`Error::Interrupted`] when the person stops, what the server or the disk fails with, and when the bytes are not
/// those that the publisher describes.
pub fn fetch(remote: &Remote<'_>, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<()> {
    let part = part_of(path);
    let mut done = fs::metadata(&part).map_or(0, |found| found.len());
    if done > remote.bytes {
        done = 0;
    }
    if done < remote.bytes {
        download(remote, &part, done, progress)?;
    }
    let found = sum(&part)?;
    if found != remote.sha256 {
        // Going on with it could never end well.
        fs::remove_file(&part).map_err(|source| write_failed(&part, source))?;
        return Err(Error::Weights {
            place: remote.address.to_owned(),
            problem: format!(
                "what came has the SHA-256 {found} and should have {}: it was thrown away, fetch it again",
                remote.sha256
            ),
        });
    }
    fs::rename(&part, path).map_err(|source| write_failed(path, source))
}

/// Where a file lies until it is whole.
pub fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn download(
    remote: &Remote<'_>,
    part: &Path,
    done: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let failed = |problem: String| Error::Weights {
        place: remote.address.to_owned(),
        problem,
    };
    let mut response = ureq::get(remote.address)
        .header("Range", format!("bytes={done}-"))
        .call()
        .map_err(|error| failed(format!("it could not be fetched: {error}")))?;
    // A server that knows no ranges sends everything anew.
    let goes_on = response.status() == 206;
    let mut done = if goes_on { done } else { 0 };
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .append(goes_on)
        .truncate(!goes_on)
        .open(part)
        .map_err(|source| write_failed(part, source))?;
    let mut body = response.body_mut().as_reader();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        if stop::asked() {
            return Err(Error::Interrupted);
        }
        let read = body
            .read(&mut piece)
            .map_err(|error| failed(format!("it broke off: {error}; the same command goes on")))?;
        if read == 0 {
            break;
        }
        done += read as u64;
        if done > remote.bytes {
            return Err(failed(format!("it is longer than {} bytes", remote.bytes)));
        }
        file.write_all(&piece[..read])
            .map_err(|source| write_failed(part, source))?;
        progress(done);
    }
    if done < remote.bytes {
        return Err(failed(format!(
            "it broke off after {done} of {} bytes; the same command goes on",
            remote.bytes
        )));
    }
    file.sync_all().map_err(|source| write_failed(part, source))
}

/// What a file's bytes sum to, in hexadecimal, without holding it.
///
/// # Errors
/// When it cannot be read.
pub fn sum(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut hasher))
        .map_err(|source| Error::Read {
            place: path.display().to_string(),
            source,
        })?;
    Ok(format!("{:x}", hasher.finalize()))
}

fn write_failed(path: &Path, source: io::Error) -> Error {
    Error::Write {
        place: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        net::TcpListener,
        thread,
    };

    use super::*;

    const CONTENT: &[u8] = b"a red apple on a blue background";
    const SUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    /// Serves the content once, from the byte asked for, and breaks off after `limit` bytes.
    fn serve(limit: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/x", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines
                .map(|line| line.unwrap().to_lowercase())
                .take_while(|line| !line.is_empty())
                .collect();
            let range = head
                .iter()
                .find_map(|line| line.strip_prefix("range: bytes="));
            let start: usize = range.unwrap().trim_end_matches('-').parse().unwrap();
            let rest = &CONTENT[start..];
            let answer = format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                rest.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
            stream.write_all(&rest[..rest.len().min(limit)]).unwrap();
        });
        address
    }

    fn remote<'a>(address: &'a str, sha256: &'a str) -> Remote<'a> {
        Remote {
            address,
            bytes: CONTENT.len() as u64,
            sha256,
        }
    }

    #[test]
    fn a_broken_download_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let expected = format!("{:x}", Sha256::digest(CONTENT));
        let address = serve(10);
        assert!(fetch(&remote(&address, &expected), &path, &mut |_| ()).is_err());
        assert!(!path.exists());
        assert_eq!(fs::read(part_of(&path)).unwrap(), CONTENT[..10]);
        let address = serve(usize::MAX);
        fetch(&remote(&address, &expected), &path, &mut |_| ()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
        assert!(!part_of(&path).exists());
    }

    #[test]
    fn something_else_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let address = serve(usize::MAX);
        let error = fetch(&remote(&address, SUM), &path, &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains("SHA-256"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
