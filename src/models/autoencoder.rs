//! Either autoencoder, with latents as the U-Net has them.

use super::{Parameters, config::AutoencoderConfig, taesd::Taesd, vae::Vae};
use crate::{error::Result, tensor::Tensor};

/// Either autoencoder, with latents as the U-Net has them.
pub enum Autoencoder {
    /// `AutoencoderKL`
    Kl(Box<Vae>),
    /// `AutoencoderTiny`
    Tiny(Taesd),
}

impl Autoencoder {
    /// Builds the autoencoder of this config.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(config: &AutoencoderConfig, parameters: &mut dyn Parameters) -> Result<Self> {
        match config {
            AutoencoderConfig::Kl(config) => {
                let vae = Vae::new(config, parameters)?;
                Ok(Self::Kl(Box::new(vae)))
            }
            AutoencoderConfig::Tiny(config) => Taesd::new(config, parameters).map(Self::Tiny),
        }
    }

    /// A picture's latents; of a distribution, its mean.
    ///
    /// # Shapes
    /// - `image`: `[B, H, W, 3]` in [-1, 1]
    /// - returns `[B, h, w, latent_channels]`
    pub fn encode(&self, image: &Tensor) -> Tensor {
        let latents = match self {
            Self::Kl(vae) => vae.encode(image).mean,
            Self::Tiny(taesd) => taesd.encode(image),
        };
        latents.affine(self.scaling_factor(), 0.0)
    }

    /// A picture's latents, drawn from the distribution that the encoder sees in it. An encoder that sees none gives what
    /// [`Autoencoder::encode`] does.
    ///
    /// # Shapes
    /// - `image`: `[B, H, W, 3]` in [-1, 1]
    /// - `noise`: standard normal numbers, `[B, h, w, latent_channels]`, also returned
    pub fn encode_sample(&self, image: &Tensor, noise: &Tensor) -> Tensor {
        let latents = match self {
            Self::Kl(vae) => vae.encode(image).sample(noise),
            Self::Tiny(taesd) => taesd.encode(image),
        };
        latents.affine(self.scaling_factor(), 0.0)
    }

    /// Whether the encoder sees a distribution, of which samples differ.
    pub fn is_random(&self) -> bool {
        matches!(self, Self::Kl(_))
    }

    /// The picture behind latents.
    ///
    /// # Shapes
    /// - `latents`: `[B, h, w, latent_channels]`
    /// - returns `[B, H, W, 3]`, about in [-1, 1]
    pub fn decode(&self, latents: &Tensor) -> Tensor {
        let latents = latents.affine(self.scaling_factor().recip(), 0.0);
        match self {
            Self::Kl(vae) => vae.decode(&latents),
            Self::Tiny(taesd) => taesd.decode(&latents),
        }
    }

    fn scaling_factor(&self) -> f64 {
        match self {
            Self::Kl(vae) => vae.config().scaling_factor,
            Self::Tiny(taesd) => taesd.config().scaling_factor,
        }
    }
}
