//! The networks' settings, as diffusers writes them in its config.json files.
//!
//! Each config reads itself (`from_json`) and has two built-in values: `sd15()`, Stable Diffusion 1.5's, and `tiny()`,
//! the same topology with narrow channels for tests.

mod autoencoder;
mod clip_text;
mod eyes;
mod file;
mod unet;

pub use autoencoder::{AutoencoderConfig, TaesdConfig, VaeConfig};
pub use clip_text::{ClipTextConfig, HiddenAct};
pub use eyes::{EyesConfig, Names};
pub use unet::{PerBlock, UnetConfig};
