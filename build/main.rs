//! Prepares the shaders: expands imports, validates every shader in every storage format and writes `shaders.rs`, from
//! which the kernels take sources, bindings and the layout of uniform blocks. An invalid shader does not build. And puts the built
//! page into the program where that is asked for.

#![expect(clippy::print_stdout, reason = "that is how a build script speaks")]
// Fulfilled only in the lints for browsers, whose rules reach this file too.
#![allow(
    clippy::disallowed_methods,
    reason = "runs on the machine that builds, which has files"
)]

mod emit;
mod expand;
mod page;
mod reflect;

use std::{env, error::Error, fs, path::Path, process::ExitCode};

/// The preludes that define how elements are loaded and stored, by the name of their storage format.
const STORAGES: [&str; 3] = ["f32", "f16", "packed"];

fn main() -> ExitCode {
    if let Err(problem) = prepare() {
        eprintln!("{problem}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn prepare() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=shaders");
    println!("cargo::rerun-if-changed=build");
    let root = Path::new("shaders");
    let preludes = STORAGES.map(|storage| {
        let text = expand::read(&root.join(format!("shared/elem_{storage}.wgsl")))?;
        Ok::<_, String>((storage, text))
    });
    let preludes = preludes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut shaders = Vec::new();
    for name in names(root)? {
        let body = expand::expand(root, &name)?;
        for (storage, prelude) in &preludes {
            let shader = reflect::reflect(&name, &format!("{prelude}{body}"))
                .map_err(|problem| format!("shaders/{name}.wgsl in {storage}: {problem}"))?;
            if *storage == STORAGES[0] {
                shaders.push((shader, body.clone()));
            }
        }
    }
    let code = emit::emit(&preludes, &shaders);
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    fs::write(out.join("shaders.rs"), code)?;
    page::embed(out)
}

/// Names of the shaders, which are the files directly in `shaders/`, without their ending.
fn names(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "wgsl") {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            names.push(stem.ok_or("a shader's name is not text")?.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
