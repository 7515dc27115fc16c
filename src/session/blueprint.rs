//! What a checkpoint says of itself, before a weight is read.

use serde_json::Value;

use super::{Size, Traits};
use crate::{
    diffusion::schedule::ScheduleConfig,
    error::{Error, Result},
    models::{
        Autoencoder, ClipText, Needed, Recorder, Unet,
        config::{AutoencoderConfig, ClipTextConfig, UnetConfig},
    },
    tensor::DType,
    weights::{Checkpoint, load::device_bytes},
};

/// Steps and guidance scale that suit Stable Diffusion 1.x.
const USUAL_STEPS: usize = 25;
const USUAL_CFG_SCALE: f64 = 7.5;
/// Where a model index may say otherwise; diffusers passes over names that begin so.
const USUAL: &str = "_guidestar";

/// What a checkpoint says of itself: enough to check a job and to state the memory it takes.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// Settings of the text encoder.
    pub text_encoder: ClipTextConfig,
    /// Settings of the U-Net.
    pub unet: UnetConfig,
    /// Settings of the autoencoder.
    pub autoencoder: AutoencoderConfig,
    /// How its noise is scheduled.
    pub schedule: ScheduleConfig,
    /// What a job must know of it.
    pub traits: Traits,
}

/// The parameters of each network.
pub struct NeededParts {
    /// The text encoder's.
    pub text_encoder: Vec<Needed>,
    /// The U-Net's.
    pub unet: Vec<Needed>,
    /// The autoencoder's.
    pub autoencoder: Vec<Needed>,
}

impl Blueprint {
    /// Reads the descriptions of a checkpoint.
    ///
    /// # Errors
    /// When one is missing a setting, or asks for something that is not built in.
    pub fn read(checkpoint: &Checkpoint) -> Result<Self> {
        let [text_encoder, unet, autoencoder] =
            [&checkpoint.text_encoder, &checkpoint.unet, &checkpoint.vae]
                .map(|component| (&*component.config_place, &*component.config));
        let text_encoder = ClipTextConfig::from_json(text_encoder.0, text_encoder.1)?;
        let unet = UnetConfig::from_json(unet.0, unet.1)?;
        let autoencoder = AutoencoderConfig::from_json(autoencoder.0, autoencoder.1)?;
        let schedule =
            ScheduleConfig::from_json(&checkpoint.scheduler()).map_err(|error| Error::Weights {
                place: checkpoint.place.clone(),
                problem: error.to_string(),
            })?;
        let index = checkpoint.descriptions.get("model_index.json");
        let index = index.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let usual = index.map(|index| index[USUAL].clone()).unwrap_or_default();
        Ok(Self::new(text_encoder, unet, autoencoder, schedule, &usual))
    }

    /// Stable Diffusion 1.5's.
    pub fn sd15() -> Self {
        Self::new(
            ClipTextConfig::sd15(),
            UnetConfig::sd15(),
            AutoencoderConfig::sd15(),
            ScheduleConfig::default(),
            &Value::Null,
        )
    }

    fn new(
        text_encoder: ClipTextConfig,
        unet: UnetConfig,
        autoencoder: AutoencoderConfig,
        schedule: ScheduleConfig,
        usual: &Value,
    ) -> Self {
        let reduction = autoencoder.reduction();
        let latent_side = unet.sample_size.unwrap_or(64);
        let steps = usual["steps"].as_u64().map(|steps| steps as usize);
        let traits = Traits {
            size: Size::square(latent_side * reduction),
            steps: steps.unwrap_or(USUAL_STEPS),
            cfg_scale: usual["cfg_scale"].as_f64().unwrap_or(USUAL_CFG_SCALE),
            reduction,
            prediction: schedule.prediction_type,
            unet: unet.clone(),
        };
        Self {
            text_encoder,
            unet,
            autoencoder,
            schedule,
            traits,
        }
    }

    /// The parameters that its networks need.
    ///
    /// # Errors
    /// When the settings describe a network that cannot be built.
    pub fn needed(&self) -> Result<NeededParts> {
        Ok(NeededParts {
            text_encoder: Recorder::record(|parameters| {
                ClipText::new(&self.text_encoder, parameters)
            })?,
            unet: Recorder::record(|parameters| Unet::new(&self.unet, parameters))?,
            autoencoder: Recorder::record(|parameters| {
                Autoencoder::new(&self.autoencoder, parameters)
            })?,
        })
    }
}

impl NeededParts {
    /// Bytes that all parameters take on a device.
    pub fn device_bytes(&self, dtype: DType) -> u64 {
        [&self.text_encoder, &self.unet, &self.autoencoder]
            .map(|needed| device_bytes(needed, dtype))
            .into_iter()
            .sum()
    }
}
