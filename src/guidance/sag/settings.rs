//! What self-attention guidance can be told.

use serde::{Deserialize, Serialize};

use crate::{
    diffusion::Window,
    error::{Error, Result},
    models::unet::{Block, Part, Site},
};

/// What [`Sag`](super::Sag) can be told. The defaults are diffusers'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SagSettings {
    /// How far to go from the degraded prediction, and on. 0 is no guidance.
    pub scale: f64,
    /// Standard deviation of the blur, in latents.
    pub sigma: f64,
    /// Latents that the blur's kernel is wide, an odd number.
    pub kernel: usize,
    /// A place is blurred when it receives more than this many times the average attention.
    pub threshold: f64,
    /// The self-attention that says which places receive attention.
    pub layer: Site,
    /// The steps in which it guides.
    pub window: Window,
}

/// Settings that programs in use begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SagPreset {
    /// diffusers and the extension for AUTOMATIC1111's page.
    Diffusers,
    /// `ComfyUI` and Forge: a wider blur, and less of it.
    Comfyui,
}

/// The self-attention of the mid block: the coarsest there is.
pub const MID: Site = Site {
    block: Block::Mid,
    layer: 0,
    part: Part::SelfAttention,
};

impl SagPreset {
    /// The settings.
    pub fn settings(self) -> SagSettings {
        let (scale, sigma) = match self {
            Self::Diffusers => (0.75, 1.0),
            Self::Comfyui => (0.5, 2.0),
        };
        SagSettings {
            scale,
            sigma,
            kernel: 9,
            threshold: 1.0,
            layer: MID,
            window: Window::ALL,
        }
    }
}

impl Default for SagSettings {
    fn default() -> Self {
        SagPreset::Diffusers.settings()
    }
}

impl SagSettings {
    /// Refuses what can never work for latents of this height and width.
    ///
    /// # Errors
    /// [`Error::Request`] in one sentence that says what would be right.
    pub fn check(&self, latents: [usize; 2]) -> Result<()> {
        let wrong = |text: String| Err(Error::Request(text));
        if !self.scale.is_finite() {
            return wrong(format!(
                "a SAG scale of {} is no number to work with",
                self.scale
            ));
        }
        if !(self.sigma > 0.0 && self.sigma.is_finite()) {
            return wrong(format!(
                "SAG blurs with a sigma of {}, and must with one above 0: 1 is usual",
                self.sigma
            ));
        }
        if self.kernel.is_multiple_of(2) {
            return wrong(format!(
                "SAG's blur kernel is {} wide, and must have a middle: use an odd number, 9 is usual",
                self.kernel
            ));
        }
        if !self.threshold.is_finite() {
            return wrong(format!(
                "a SAG threshold of {} is no number",
                self.threshold
            ));
        }
        let [h, w] = latents;
        let reach = self.kernel / 2;
        if h.min(w) <= reach {
            return wrong(format!(
                "SAG's blur reaches {reach} latents, which is beyond a picture of {w}x{h} latents: ask for a larger \
                 --size, or a smaller kernel"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_left_out_are_those_of_diffusers() {
        let settings: SagSettings = serde_json::from_str(r#"{"scale": 0.3}"#).unwrap();
        assert_eq!(
            (settings.scale, settings.sigma, settings.kernel),
            (0.3, 1.0, 9)
        );
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(
            serde_json::from_str::<SagSettings>(&text).unwrap(),
            settings
        );
        assert!(serde_json::from_str::<SagSettings>(r#"{"sclae": 0.3}"#).is_err());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let base = SagSettings::default;
        assert!(base().check([5, 5]).is_ok());
        assert!(base().check([4, 64]).is_err());
        for wrong in [
            SagSettings {
                scale: f64::NAN,
                ..base()
            },
            SagSettings {
                sigma: 0.0,
                ..base()
            },
            SagSettings {
                kernel: 8,
                ..base()
            },
            SagSettings {
                threshold: f64::INFINITY,
                ..base()
            },
        ] {
            assert!(wrong.check([64, 64]).is_err(), "{wrong:?}");
        }
    }
}
