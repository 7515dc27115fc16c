//! The default model, which is part of the program: no download, no account.

use super::source::MemoryFiles;

/// The files of `models/mini`.
pub fn files() -> MemoryFiles {
    macro_rules! embed {
        ($($path:literal),+ $(,)?) => {
            MemoryFiles::new("mini")$(
                .with($path, &include_bytes!(concat!("../../models/mini/", $path))[..])
            )+
        };
    }
    embed!(
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
        "vae/diffusion_pytorch_model.safetensors",
    )
}
