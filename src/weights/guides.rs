//! The guides that understand the default model's pictures: eyes, and the text tower that goes with them.

use std::rc::Rc;

use super::{
    header::Header,
    load::load,
    recognise::require_safetensors,
    source::{Files, read_text},
    tensors::Tensors,
};
use crate::{
    error::{Error, Result},
    models::{
        Parameters, Recorder,
        config::EyesConfig,
        guides::{Eyes, TextTower},
    },
    tensor::Device,
};

/// The files of `models/guides`.
#[cfg(feature = "mini")]
pub fn files() -> super::MemoryFiles {
    macro_rules! embed {
        ($($path:literal),+ $(,)?) => {
            super::MemoryFiles::new("guides")$(
                .with($path, &include_bytes!(concat!("../../models/guides/", $path))[..])
            )+
        };
    }
    embed!(
        "eyes.json",
        "eyes.safetensors",
        "text.safetensors",
        "scorer.json",
        "scorer.safetensors",
        "identity.json",
        "identity.safetensors",
    )
}

/// Reads `NAME.json` and `NAME.safetensors`: `eyes`; the `scorer`, eyes that were trained otherwise to judge what these have guided; or
/// those of `identity`, which know drawn people again.
///
/// # Errors
/// When a file is missing or not what it should be, or the device has no room.
pub async fn eyes(files: &dyn Files, name: &str, device: &Device) -> Result<Eyes> {
    let config = config(files, name).await?;
    build(files, name, device, |p| Eyes::new(&config, p)).await
}

/// Reads the text tower whose embeddings are those of `eyes`.
///
/// # Errors
/// When a file is missing or not what it should be, or the device has no room.
pub async fn text_tower(files: &dyn Files, device: &Device) -> Result<TextTower> {
    let config = config(files, "eyes").await?;
    let Some(text) = config.text else {
        return Err(missing(files, "settings of a text tower in eyes.json"));
    };
    build(files, "text", device, |p| {
        TextTower::new(&text, config.embedding, p)
    })
    .await
}

async fn config(files: &dyn Files, name: &str) -> Result<EyesConfig> {
    let path = format!("{name}.json");
    let Some(source) = files.open(&path).await? else {
        return Err(missing(files, &path));
    };
    EyesConfig::from_json(source.place(), &read_text(&*source).await?)
}

/// Asks a network what it needs, loads that, and hands it over.
async fn build<T>(
    files: &dyn Files,
    name: &str,
    device: &Device,
    new: impl Fn(&mut dyn Parameters) -> Result<T>,
) -> Result<T> {
    let path = format!("{name}.safetensors");
    let Some(source) = files.open(&path).await? else {
        return Err(missing(files, &path));
    };
    require_safetensors(&*source).await?;
    let header = Header::read(&*source).await?;
    let mut tensors = Tensors::default();
    tensors.add(Rc::clone(&source), &header, |name| Some(name.to_owned()))?;
    let needed = Recorder::record(&new)?;
    let mut loaded = load(&tensors, &needed, device, &mut |_| ()).await?;
    new(&mut loaded)
}

fn missing(files: &dyn Files, what: &str) -> Error {
    Error::Weights {
        place: files.place().to_owned(),
        problem: format!("it has no {what}"),
    }
}
