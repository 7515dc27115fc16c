//! The default model, which is part of the program: no download, no account.

#[cfg(feature = "mini")]
use super::source::MemoryFiles;

/// Hands the files of `models/mini` to a macro.
macro_rules! with_files {
    ($macro:ident) => {
        $macro!(
            "model_index.json",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "tokenizer/merges.txt",
            "tokenizer/tokenizer_config.json",
            "tokenizer/vocab.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors"
        )
    };
}

macro_rules! bytes_of {
    ($path:literal) => {
        include_bytes!(concat!("../../models/mini/", $path))
    };
}

macro_rules! sizes {
    ($($path:literal),+) => {
        &[$(($path, bytes_of!($path).len() as u64)),+]
    };
}

/// Path and bytes of each file of `models/mini`, for a page that fetches them instead of carrying them.
pub const SIZES: &[(&str, u64)] = with_files!(sizes);

/// The files of `models/mini`.
#[cfg(feature = "mini")]
pub fn files() -> MemoryFiles {
    macro_rules! embed {
        ($($path:literal),+) => {
            MemoryFiles::new("mini")$(.with($path, &bytes_of!($path)[..]))+
        };
    }
    with_files!(embed)
}
