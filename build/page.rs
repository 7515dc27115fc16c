//! Puts the built page into the program, for a build with the feature `page`.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Where `./dev web` builds the page.
const BUILT: &str = "dist";

/// Writes `page.rs`: a table of the page's files, or an empty one.
///
/// # Errors
/// When the page was asked for and is not built.
pub fn embed(out: &Path) -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    if env::var_os("CARGO_FEATURE_PAGE").is_some() {
        println!("cargo::rerun-if-changed={BUILT}");
        if !Path::new(BUILT).join("index.html").is_file() {
            return Err("the feature `page` puts the built page into the program, and there is none in dist: run `./dev web` first".into());
        }
        collect(Path::new(BUILT), &mut files)?;
        files.sort();
    }
    let mut code =
        String::from("/// Addresses and contents.\npub static FILES: &[(&str, &[u8])] = &[\n");
    for file in &files {
        let address = file
            .strip_prefix(BUILT)?
            .to_str()
            .ok_or("a file's name is not text")?;
        let address = address.replace('\\', "/");
        let place = fs::canonicalize(file)?;
        let place = place.to_str().ok_or("a folder's name is not text")?;
        writeln!(code, "    ({address:?}, include_bytes!({place:?})),")?;
    }
    code.push_str("];\n");
    fs::write(out.join("page.rs"), code)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
