//! Which model a file was made with, without reading gigabytes.

use sha2::{Digest, Sha256};

use super::{Checkpoint, tensors::Tensors};
use crate::error::Result;

/// Tensors of each network that are looked into; a fine-tuned or merged model differs in most of them.
const LOOKED_INTO: usize = 24;
/// Bytes of each.
const LOOK_BYTES: u64 = 4096;

/// A number that two checkpoints share only when they are the same, in hexadecimal: their settings, the names and shapes of all
/// tensors, and the first numbers of some in every part of every network.
///
/// # Errors
/// When they cannot be read.
pub async fn fingerprint(checkpoint: &Checkpoint) -> Result<String> {
    let mut hash = Sha256::new();
    let parts = [&checkpoint.unet, &checkpoint.vae, &checkpoint.text_encoder];
    for component in parts {
        add(&mut hash, component.config.as_bytes());
        tensors(&mut hash, &component.tensors).await?;
    }
    add(&mut hash, checkpoint.scheduler().as_bytes());
    Ok(hexadecimal(&hash.finalize()))
}

async fn tensors(hash: &mut Sha256, tensors: &Tensors) -> Result<()> {
    let stored = tensors.stored();
    for one in stored {
        add(hash, one.name.as_bytes());
        for extent in &one.entry.shape {
            hash.update((*extent as u64).to_le_bytes());
        }
    }
    let apart = stored.len().div_ceil(LOOKED_INTO).max(1);
    for one in stored.iter().step_by(apart) {
        add(hash, &tensors.first_bytes(one, LOOK_BYTES).await?);
    }
    Ok(())
}

/// Adds bytes with their number in front, so that no two sequences of them run together.
fn add(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// The SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    let pairs = bytes
        .iter()
        .map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    pairs.flatten().collect()
}
