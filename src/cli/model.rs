//! Finds the model that a flag names.

use std::path::Path;

use crate::{
    error::{Error, Result},
    weights::{Checkpoint, Ema, disk::open_checkpoint},
};

/// The name of the model that comes along.
pub const MINI: &str = "mini";

/// Opens the model that a flag names: the one that comes along, a folder or a file.
///
/// # Errors
/// When there is none, or it is not Stable Diffusion 1.x.
pub fn open(name: &str) -> Result<Checkpoint> {
    if name == MINI {
        return mini();
    }
    let path = Path::new(name);
    if !path.exists() {
        return Err(Error::Request(format!(
            "there is no model at {name:?}: --model takes {MINI} (built in), a folder in the diffusers layout, or a \
             .safetensors file"
        )));
    }
    pollster::block_on(open_checkpoint(path, Ema::default()))
}

#[cfg(feature = "mini")]
fn mini() -> Result<Checkpoint> {
    pollster::block_on(Checkpoint::open_files(&crate::weights::mini::files()))
}

#[cfg(not(feature = "mini"))]
fn mini() -> Result<Checkpoint> {
    Err(Error::Request(
        "this build comes without the mini model: name another with --model".to_owned(),
    ))
}

/// The words of the model that comes along, which are also those of the guides that do.
///
/// # Errors
/// When they cannot be read.
#[cfg(feature = "mini")]
pub fn mini_words() -> Result<crate::tokenizer::Tokenizer> {
    crate::tokenizer::Tokenizer::from_descriptions(&mini()?.descriptions)
}
