//! What universal guidance pulls towards.

use std::rc::Rc;

use super::Window;
use crate::{
    error::Result,
    guidance::crop,
    tensor::{LocalFuture, Tensor, Unary},
};

/// Says how far a picture is from what is wanted. Differentiable, and smaller is better.
pub trait Guide {
    /// What it is called in reports.
    fn name(&self) -> &str;

    /// Looks at the pictures that [`Guide::loss`] or [`Guide::score`] is asked about next, for a guide that needs the host
    /// to; how many of them show nothing to guide. The loss of those is 0, whatever they look like.
    ///
    /// # Shapes
    /// - `image`: as for [`Guide::loss`]
    ///
    /// # Errors
    /// When the device fails.
    fn prepare<'a>(&'a self, _image: &'a Tensor) -> LocalFuture<'a, Result<usize>> {
        Box::pin(async { Ok(0) })
    }

    /// How far a picture may be moved, as a share of its width and height, and still be the same to it; nothing where
    /// each pixel counts.
    fn sway(&self) -> f32 {
        0.0
    }

    /// How far each picture is from what is wanted.
    ///
    /// # Shapes
    /// - `image`: `[B, H, W, 3]`, about in [0, 1] and not clamped
    /// - returns `[B]`
    ///
    /// # Errors
    /// When the picture is of a size that the guide cannot look at.
    fn loss(&self, image: &Tensor) -> Result<Tensor>;

    /// How good each finished picture is, for ranking: greater is better.
    ///
    /// # Shapes
    /// - as [`Guide::loss`]
    ///
    /// # Errors
    /// As [`Guide::loss`].
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        Ok(self.loss(image)?.affine(-1.0, 0.0))
    }
}

/// A guide, how much it counts among others, and in which steps.
#[derive(Clone)]
pub struct Aim {
    /// What it is called among others.
    pub name: String,
    /// The guide.
    pub guide: Rc<dyn Guide>,
    /// Its loss is multiplied by this.
    pub weight: f64,
    /// The share of the steps in which it counts.
    pub window: Window,
}

impl Aim {
    /// A guide that counts once, in all steps.
    pub fn new(guide: Rc<dyn Guide>) -> Self {
        Self {
            name: guide.name().to_owned(),
            guide,
            weight: 1.0,
            window: Window::ALL,
        }
    }
}

/// The losses of a picture: their weighted sum, and each by itself.
pub struct Losses {
    /// `[B]`
    pub sum: Tensor,
    /// One for each aim that counts, `[B]`.
    pub each: Vec<Tensor>,
    /// Rows that show nothing to guide, of the aim with the most.
    pub skipped: usize,
}

/// The losses of those aims that count.
///
/// # Shapes
/// - `image`: `[B, H, W, 3]`, about in [-1, 1], as decoders have it
///
/// # Errors
/// When the device fails, or a guide cannot look at pictures of this size.
pub async fn losses(aims: &[&Aim], image: &Tensor, looks: usize) -> Result<Losses> {
    let image = image.affine(0.5, 0.5);
    let mut each = Vec::new();
    let mut skipped = 0;
    for aim in aims {
        skipped = skipped.max(aim.guide.prepare(&image.detached()).await?);
        each.push(looked(&*aim.guide, &image, looks)?);
    }
    let weighted = each
        .iter()
        .zip(aims)
        .map(|(loss, aim)| loss.affine(aim.weight, 0.0));
    let sum = weighted.reduce(|sum, loss| sum.add(&loss));
    Ok(Losses {
        sum: sum.expect("at least one guide counts"),
        each,
        skipped,
    })
}

/// A guide's loss, the mean over as many looks where it does not mind.
///
/// A small network can be pleased by a picture that is right to the pixel and shows nothing; seen from a little elsewhere,
/// such a picture pleases no more.
fn looked(guide: &dyn Guide, image: &Tensor, looks: usize) -> Result<Tensor> {
    let sway = guide.sway();
    if looks < 2 || sway == 0.0 {
        return guide.loss(image);
    }
    let batch = image.shape()[0];
    let views: Vec<_> = (0..looks)
        .map(|look| crop::view(image, look, sway))
        .collect();
    let losses = guide.loss(&Tensor::concat(&views.iter().collect::<Vec<_>>(), 0))?;
    Ok(losses.reshape([looks, batch]).mean(&[0]).reshape([batch]))
}

/// How good a guide finds pictures: greater is better, `[B]`.
///
/// # Errors
/// When the device fails, or the guide cannot look at pictures of this size.
pub async fn scored(guide: &dyn Guide, image: &Tensor) -> Result<Tensor> {
    guide.prepare(image).await?;
    guide.score(image)
}

/// `-log mean exp(-loss)` over several looks at one estimate: the loss whose likelihood is the mean of theirs.
pub fn averaged(all: &[Losses]) -> Losses {
    let stacked: Vec<_> = all
        .iter()
        .map(|losses| {
            let [batch] = losses.sum.dims();
            losses.sum.reshape([1, batch])
        })
        .collect();
    let stacked = Tensor::concat(&stacked.iter().collect::<Vec<_>>(), 0);
    let [_, batch] = stacked.dims();
    // The least loss is taken out and put back, so that nothing underflows.
    let least = stacked.least(&[0]).detached();
    let likelihoods = least.sub(&stacked).unary(Unary::Exp);
    let mean = likelihoods.mean(&[0]).unary(Unary::Log);
    Losses {
        sum: least.sub(&mean).reshape([batch]),
        each: all[0].each.clone(),
        skipped: all[0].skipped,
    }
}
