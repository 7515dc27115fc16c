//! What a picture under way will about look like.

use crate::{
    diffusion::{Level, x0_from_eps},
    error::Result,
    models::Autoencoder,
    picture::{Picture, Rounding},
    tensor::Tensor,
};

/// Red, green and blue in -1..1 of one of Stable Diffusion 1.x's latents, about: a linear fit, one row for each channel
/// (<https://github.com/comfyanonymous/ComfyUI/blob/master/comfy/latent_formats.py>, `SD15`).
const RGB_OF_LATENTS: [[f32; 3]; 4] = [
    [0.3512, 0.2297, 0.3227],
    [0.3250, 0.4974, 0.2350],
    [-0.2829, 0.1762, 0.2721],
    [-0.2120, -0.2616, -0.7177],
];

/// What a step believes in.
pub(super) enum Seen {
    /// The latents of a step and the noise that was seen in them.
    Noise { x: Tensor, eps: Tensor, at: Level },
    /// The clean latents themselves, as guides left them.
    Clean(Tensor),
}

impl Seen {
    /// Remembers a step.
    ///
    /// # Shapes
    /// - `x`, `eps`: `[1, h, w, 4]`
    pub fn new(x: &Tensor, eps: &Tensor, at: Level) -> Self {
        Self::Noise {
            x: x.clone(),
            eps: eps.clone(),
            at,
        }
    }

    /// The clean picture that the step believes in: decoded where the autoencoder is small, and guessed from the
    /// latents, one pixel each, where it is not.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn picture(&self, autoencoder: &Autoencoder) -> Result<Picture> {
        let x0 = match self {
            Self::Noise { x, eps, at } => x0_from_eps(x, eps, *at),
            Self::Clean(x0) => x0.clone(),
        };
        match autoencoder {
            Autoencoder::Tiny(_) => {
                let image = autoencoder.decode(&x0);
                Ok(picture(&image, &image.read().await?))
            }
            Autoencoder::Kl(_) => Ok(picture(&x0, &rgb(&x0.read().await?))),
        }
    }
}

fn picture(image: &Tensor, elements: &[f32]) -> Picture {
    let [_, height, width, _] = image.dims();
    Picture::from_signed(width, height, elements, Rounding::Nearest)
}

/// Latents as the colours they stand for, about.
fn rgb(latents: &[f32]) -> Vec<f32> {
    let (latents, _) = latents.as_chunks::<4>();
    let colour = |latent: &[f32; 4]| {
        let mut rgb = [0.0; 3];
        for (value, row) in latent.iter().zip(&RGB_OF_LATENTS) {
            for (sum, weight) in rgb.iter_mut().zip(row) {
                *sum += value * weight;
            }
        }
        rgb
    };
    latents.iter().flat_map(colour).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_latent_becomes_one_pixel() {
        let found = rgb(&[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -1.0]);
        assert_eq!(found, [0.0, 0.0, 0.0, 0.5632, 0.4913, 1.0404]);
    }
}
