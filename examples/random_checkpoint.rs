//! Writes a checkpoint of Stable Diffusion 1.5 in one f16 file of 2.1 GB whose weights mean nothing, to load what nobody needs to
//! download:
//!
//! ```sh
//! cargo run --example random_checkpoint -- /tmp/random.safetensors
//! ```
//!
//! `tests/page/memory.js` measures with it what a page takes to load one.

use std::{collections::BTreeMap, env, path::Path};

use anyhow::{Context, Result};
use guidestar::{
    session::Blueprint,
    weights::{
        Part,
        names::to_single_file,
        write::{Heading, WholeFile, head},
    },
};
use half::f16;
use safetensors::Dtype;

/// Numbers that are drawn; a prime, so that no two tensors begin alike.
const DRAWN: usize = 1_048_583;

fn main() -> Result<()> {
    let path = env::args().nth(1).context("say which file to write")?;
    let needed = Blueprint::sd15().needed()?;
    let parts = [
        (Part::TextEncoder, needed.text_encoder),
        (Part::Unet, needed.unet),
        (Part::Vae, needed.autoencoder),
    ];
    let headings: Vec<Heading> = parts
        .iter()
        .flat_map(|(part, needed)| needed.iter().map(|needed| (*part, needed)))
        .map(|(part, needed)| Heading {
            name: to_single_file(part, &needed.name),
            dtype: Dtype::F16,
            shape: needed.kind.stored(),
        })
        .collect();
    let drawn = drawn();
    let mut file = WholeFile::create(Path::new(&path))?;
    file.write(&head(&BTreeMap::new(), &headings))?;
    let mut left: u64 = headings.iter().map(Heading::bytes).sum();
    while left > 0 {
        let piece = drawn.len().min(usize::try_from(left)?);
        file.write(&drawn[..piece])?;
        left -= piece as u64;
    }
    Ok(file.finish()?)
}

/// Small numbers around zero, so that nothing overflows on the way to them.
fn drawn() -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let numbers = (0..DRAWN).map(|_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f16::from_f32((state as f32 / u32::MAX as f32 - 0.5) * 0.05)
    });
    numbers.flat_map(f16::to_le_bytes).collect()
}
