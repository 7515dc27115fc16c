//! The browser's surface: what JavaScript can call, in a worker or wherever else WebGPU is.
//!
//! A page starts a dedicated worker, which makes a [`Guidestar`](worker::Guidestar) and hands it the page's [`messages`].

mod add;
mod bench;
mod browser;
mod copy;
mod edits;
mod guides;
pub mod messages;
mod meter;
mod opfs;
mod port;
mod shelf;
mod sources;
mod store;
mod studio;
mod traces;
mod words;
pub mod worker;

use std::{error::Error as _, iter};

use js_sys::Map;
use wasm_bindgen::prelude::*;

use crate::{
    error::{Error, Result},
    models::{Random, Unet, config::UnetConfig, unet::NoTap},
    tensor::{Device, GpuOptions, Precision},
};

/// Sends panics to the console, where a developer looks for them.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// An error with its causes, in one line.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn failure(error: Error) -> JsError {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    JsError::new(&text)
}

/// An open GPU.
#[wasm_bindgen]
pub struct Gpu(Device);

#[wasm_bindgen]
impl Gpu {
    /// Opens the best GPU there is, for tensors stored as `auto`, `f16` or `f32`.
    ///
    /// # Errors
    /// When there is none, or the precision is none of these.
    pub async fn open(precision: String) -> Result<Self, JsError> {
        let precision = match precision.as_str() {
            "auto" => Precision::Auto,
            "f16" => Precision::F16,
            "f32" => Precision::F32,
            other => {
                let problem = format!("precision {other:?} is none of auto, f16 and f32");
                return Err(failure(Error::Request(problem)));
            }
        };
        let options = GpuOptions {
            precision,
            ..GpuOptions::default()
        };
        Device::gpu(options).await.map(Self).map_err(failure)
    }

    /// What it is, for a person: names and values.
    pub fn details(&self) -> Map {
        let info = self.0.info();
        let details = Map::new();
        details.set(&"name".into(), &info.name.as_str().into());
        details.set(&"api".into(), &info.api.into());
        for (name, value) in &info.details {
            details.set(&name.into(), &value.into());
        }
        details
    }
}

/// The small U-Net of the tests with parameters drawn by name: shows that this device computes what others do, with
/// no weights to fetch.
#[wasm_bindgen]
pub struct DrawnUnet {
    device: Device,
    unet: Unet,
}

#[wasm_bindgen]
impl DrawnUnet {
    /// Draws it on a device.
    ///
    /// # Errors
    /// When the device has no room for it.
    #[wasm_bindgen(constructor)]
    pub fn new(gpu: &Gpu) -> Result<Self, JsError> {
        let device = gpu.0.clone();
        let unet = Unet::new(&UnetConfig::tiny(), &mut Random::new(&device)).map_err(failure)?;
        Ok(Self { device, unet })
    }

    /// The network's output for latents `[B, h, w, 4]`, a timestep for each row, and texts `[B, M, C]`; `shape` is
    /// that of the latents.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub async fn forward(
        &self,
        x: Vec<f32>,
        shape: Vec<usize>,
        t: Vec<usize>,
        context: Vec<f32>,
    ) -> Result<Vec<f32>, JsError> {
        let channels = self.unet.config().cross_attention_dim;
        let batch = shape.first().copied().unwrap_or(0);
        let row = batch * channels;
        let fits = shape.len() == 4
            && shape[3] == self.unet.config().in_channels
            && !x.is_empty()
            && shape.iter().product::<usize>() == x.len()
            && t.len() == batch
            && !context.is_empty()
            && context.len().is_multiple_of(row);
        if !fits {
            let problem = format!(
                "{} latents of shape {shape:?}, {} timesteps and {} numbers of text do not fit together",
                x.len(),
                t.len(),
                context.len()
            );
            return Err(failure(Error::Request(problem)));
        }
        let x = self.device.tensor(shape, x);
        let tokens = context.len() / row;
        let context = self.device.tensor([batch, tokens, channels], context);
        let output = self.unet.forward(&x, &t, &context, &mut NoTap);
        output.read().await.map_err(failure)
    }
}
