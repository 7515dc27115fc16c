//! Either autoencoder, with latents as the U-Net has them.

use super::{Parameters, config::AutoencoderConfig, taesd::Taesd, vae::Vae};
use crate::{
    error::Result,
    tensor::{Shape, Tensor},
};

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

    /// A sample of what a picture's latents may be; `noise` draws of the shape it is asked for, where there is anything
    /// to draw.
    ///
    /// # Shapes
    /// - as [`Autoencoder::encode`]
    pub fn encode_sampled(
        &self,
        image: &Tensor,
        noise: &mut dyn FnMut(&Shape) -> Tensor,
    ) -> Tensor {
        let Self::Kl(vae) = self else {
            return self.encode(image);
        };
        let posterior = vae.encode(image);
        let drawn = noise(posterior.mean.shape());
        let latents = posterior.sample(&drawn);
        latents.affine(self.scaling_factor(), 0.0)
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
