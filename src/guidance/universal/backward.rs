//! Backward guidance: the clean estimate itself is improved, and the noise follows from it.

use super::{
    Backward, Descent, Place, Space, Universal,
    adam::Adam,
    forward::{Moved, relative, scaled},
    statistics::{factors, read, sizes},
};
use crate::{diffusion::x0_from_eps, error::Result, tensor::Tensor};

impl Universal {
    /// Improves a clean estimate.
    pub(super) async fn backward(
        &mut self,
        moved: &mut Moved,
        x: &Tensor,
        at: &Place,
    ) -> Result<()> {
        let Some(backward) = self.settings.backward else {
            return Ok(());
        };
        // What the sampler would take for clean, whichever prediction the guides looked at.
        let before = x0_from_eps(x, &moved.eps, at.from);
        let after = match backward.space {
            Space::Latents => self.improved(&backward, moved, before.clone(), at).await?,
            Space::Pixels => {
                let image = self.autoencoder.decode(&before);
                let image = self.improved(&backward, moved, image, at).await?;
                self.encoded(&image.clamp(-1.0, 1.0))
            }
        };
        let level = at.from.alphas_cumprod;
        if self.moves_noise() {
            let noise = (1.0 - level).sqrt();
            moved.eps = x.mix(1.0 / noise, &after, -level.sqrt() / noise);
        } else {
            let signal = at.to.alphas_cumprod.sqrt();
            let shift = after.mix(signal, &before, -signal);
            moved.shift = Some(match moved.shift.take() {
                Some(other) => other.add(&shift),
                None => shift,
            });
        }
        moved.x0 = after;
        Ok(())
    }

    /// A sample of the latents that a picture may have.
    fn encoded(&mut self, image: &Tensor) -> Tensor {
        if !self.autoencoder.is_random() {
            return self.autoencoder.encode(image);
        }
        let shape = self.autoencoder.encode(image).shape().clone();
        let noise = (self.noise)(image.device(), &shape);
        self.autoencoder.encode_sample(image, &noise)
    }

    /// Latents or a picture, as often improved as is asked for.
    async fn improved(
        &mut self,
        backward: &Backward,
        moved: &mut Moved,
        start: Tensor,
        at: &Place,
    ) -> Result<Tensor> {
        let in_pixels = backward.space == Space::Pixels;
        let cosine = |on: bool| on.then_some(backward.iterations);
        let mut adam = match backward.descent {
            Descent::Adam {
                rate, cosine: on, ..
            } => Some(Adam::new(rate, cosine(on))),
            Descent::Plain { .. } => None,
        };
        let mut y = start;
        // What stored gradients are larger by than true ones: told by the first, so that Adam's squares stay in f16.
        let mut unit = None;
        for _ in 0..backward.iterations {
            if in_pixels && adam.is_some() {
                y = y.clamp(-1.0, 1.0);
            }
            y.device().eval(&[&y])?;
            let leaf = y.detached().tracked(self.keep());
            let losses = if in_pixels {
                self.judge_image(&leaf, at).await?
            } else {
                self.losses(&leaf, at).await?
            };
            let seed = Self::seed(&y);
            let gradients = losses.sum.gradient(&[&leaf], seed)?;
            let gradient = &gradients[0];
            let mut rows = vec![losses.sum.detached(), sizes(gradient), sizes(&moved.drive)];
            rows.extend(losses.each.iter().map(Tensor::detached));
            let rows: Vec<&Tensor> = rows.iter().collect();
            let mut computed = vec![gradient, &moved.drive];
            computed.extend(&rows);
            y.device().eval(&computed)?;
            let numbers = read(&rows).await?;
            let gradient_sizes: Vec<f64> =
                numbers[1].iter().map(|&s| f64::from(s) / seed).collect();
            let is_number =
                |row: usize| numbers[0][row].is_finite() && gradient_sizes[row].is_finite();
            let lost = (0..gradient_sizes.len())
                .filter(|&row| !is_number(row))
                .count();
            moved.iteration.lost = moved.iteration.lost.max(lost);
            moved.iteration.skipped = moved.iteration.skipped.max(losses.skipped);
            if moved.iteration.loss.is_empty() {
                moved.iteration.loss.clone_from(&numbers[0]);
                moved.iteration.each = self.named(at, &numbers[3..]);
            }
            moved.iteration.improved.push(numbers[0].clone());
            match backward.descent {
                Descent::Plain {
                    strength,
                    along,
                    automatic,
                } => {
                    let strength = strength * along.factor(at);
                    let scales: Vec<f64> = (0..gradient_sizes.len())
                        .map(|row| {
                            let size = gradient_sizes[row];
                            let unit = |size| relative(numbers[2][row], size);
                            let scale = strength * if automatic { unit(size) } else { 1.0 };
                            let finite = is_number(row) && scale.is_finite();
                            if finite {
                                self.clipped(scale, size)
                            } else {
                                f64::NAN
                            }
                        })
                        .collect();
                    y = y.sub(&scaled(gradient, &scales, seed));
                }
                Descent::Adam { cutoff, .. } => {
                    let active: Vec<bool> = (0..gradient_sizes.len())
                        .map(|row| is_number(row) && f64::from(numbers[0][row]) >= cutoff)
                        .collect();
                    if !active.contains(&true) {
                        break;
                    }
                    let largest = gradient_sizes.iter().copied().fold(0.0, f64::max);
                    let unit = *unit.get_or_insert(if seed > 1.0 && largest > 0.0 {
                        1.0 / largest
                    } else {
                        1.0
                    });
                    let adam = adam.as_mut().expect("Adam descends");
                    let whole: Vec<f64> = (0..active.len())
                        .map(|row| if is_number(row) { unit } else { f64::NAN })
                        .collect();
                    let moved_on = adam.step(&y, &scaled(gradient, &whole, seed), unit);
                    let active: Vec<f64> =
                        active.iter().map(|&on| f64::from(u8::from(on))).collect();
                    y = factors(&y, &active).select(&moved_on, &y);
                    let mut computed = vec![&y];
                    computed.extend(adam.state());
                    y.device().eval(&computed)?;
                }
            }
        }
        Ok(y)
    }
}
