//! Things in places, as a detector from a file sees them: each wanted box is held to the prediction that lies nearest to it.

use std::cell::RefCell;

use super::{bounds::shared, said};
use crate::{
    error::{Error, Result},
    guidance::universal::Guide,
    models::{Prepared, onnx::Network},
    tensor::{LocalFuture, Tensor, Unary},
};

/// Keeps logarithms and quotients from 0.
const EPS: f64 = 1e-6;
/// What a box's distance counts beside how sure the detector is.
const BOX_WEIGHT: f64 = 4.0;
/// A prediction that shares more than this with a wanted box is no other thing's.
const SHARED: f32 = 0.3;

/// A thing by its class, and where it is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassBox {
    /// The detector's number for it, from 0.
    pub class: usize,
    /// Left, top, right, bottom as shares of the picture's width and height.
    pub bounds: [f32; 4],
}

/// How a detector's output spells its predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// `[B, 5 + classes, h, w]`: how sure of a thing, where in its cell (before a tangent), width and height (before a sigmoid),
    /// the classes' shares; `FastestDet`'s.
    Cells,
    /// `[B, N, 5 + classes]`: centre, width and height in the input's pixels, how sure of a thing, of each class; `YOLOv5`'s kin.
    Rows,
    /// `[B, 4 + classes, N]`: the same without how sure of a thing; `YOLOv8`'s kin.
    Columns,
}

impl Head {
    /// By the shape of an output for one picture.
    fn of(dims: &[usize]) -> Option<Self> {
        match *dims {
            [_, channels, _, _] if channels > 5 => Some(Self::Cells),
            [_, many, numbers] if numbers > 5 && many > numbers => Some(Self::Rows),
            [_, numbers, many] if numbers > 4 && many > numbers => Some(Self::Columns),
            _ => None,
        }
    }

    fn classes(self, dims: &[usize]) -> usize {
        match self {
            Self::Cells => dims[1] - 5,
            Self::Rows => dims[2] - 5,
            Self::Columns => dims[1] - 4,
        }
    }
}

/// What a detector predicts of pictures, prediction by prediction.
struct Predicted {
    /// How sure it is of a thing, `[B, N, 1]`
    sure: Tensor,
    /// How sure of each class, `[B, N, classes]`
    classes: Tensor,
    /// Centre, width and height as shares of the picture, `[B, N, 4]`
    boxes: Tensor,
}

/// Which predictions wanted boxes are held to.
struct Matched {
    /// 1 for each wanted box's prediction and class, `[B, N, classes]`
    hit: Tensor,
    /// 1 for each wanted box's prediction, `[B, N, 1]`
    chosen: Tensor,
    /// The wanted box of each of those, `[B, N, 4]`
    wanted: Tensor,
    /// 1 for each prediction that is to see nothing, `[B, N, 1]`
    others: Tensor,
}

/// Pulls towards pictures in which a detector from a file sees given things in given places, and no others.
///
/// Detectors say many things of one place; each wanted box is held to the prediction that shares most with it, or whose centre is
/// nearest, and predictions that share little with all of them are to be unsure. The choice is a constant of the gradient.
pub struct Detector {
    network: Network,
    input: Prepared,
    output: usize,
    head: Head,
    wanted: Vec<ClassBox>,
    matched: RefCell<Option<Matched>>,
}

impl Detector {
    /// Towards these boxes in a network's output of this name, or its first. The network is run once on `like`, a picture of the
    /// size that will be guided, so that what does not fit is known before.
    ///
    /// # Errors
    /// When there is no box or no such output, the output spells no predictions, a class is none, or the network cannot be run.
    pub fn new(
        network: Network,
        input: Prepared,
        output: Option<&str>,
        wanted: Vec<ClassBox>,
        like: &Tensor,
    ) -> Result<Self> {
        let wrong = |text: String| Err(Error::Request(text));
        let output = super::output(&network, output)?;
        let found = said(&network, &input, output, like)?;
        let Some(head) = Head::of(found.shape()) else {
            return wrong(format!(
                "the output {:?} is none of a detector: [1, 5 + classes, h, w] of cells, [1, N, 5 + classes] or [1, 4 + classes, N] of boxes are read",
                found.shape()
            ));
        };
        if matches!(head, Head::Rows | Head::Columns) && input.size().is_none() {
            return wrong(
                "the detector counts in pixels of its own: say in its card how large its pictures are, {\"size\": [640, 640]}"
                    .to_owned(),
            );
        }
        if wanted.is_empty() {
            return wrong("there is no box to pull towards: give at least one".to_owned());
        }
        let classes = head.classes(found.shape());
        if let Some(one) = wanted.iter().find(|one| one.class >= classes) {
            return wrong(format!(
                "the detector knows classes 0 to {}, and {} is none",
                classes - 1,
                one.class
            ));
        }
        Ok(Self {
            network,
            input,
            output,
            head,
            wanted,
            matched: RefCell::default(),
        })
    }

    fn predicted(&self, image: &Tensor) -> Result<Predicted> {
        let found = said(&self.network, &self.input, self.output, image)?;
        Ok(match self.head {
            Head::Cells => cells(&found),
            Head::Rows => self.listed(&found, true),
            Head::Columns => self.listed(&found.permute(&[0, 2, 1]), false),
        })
    }

    /// Predictions one behind another, `[B, N, numbers]`.
    fn listed(&self, found: &Tensor, has_sure: bool) -> Predicted {
        let numbers = found.shape()[2];
        let [width, height] = self.input.size().expect("asked for when it was made");
        let shares = [width, height, width, height].map(|side| 1.0 / side as f32);
        let shares = found.device().tensor([1, 1, 4], shares.to_vec());
        let boxes = found.slice(2, 0..4).mul(&shares);
        let classes = found.slice(2, 4 + usize::from(has_sure)..numbers);
        let sure = if has_sure {
            found.slice(2, 4..5)
        } else {
            classes.greatest(&[2])
        };
        Predicted {
            sure,
            classes,
            boxes,
        }
    }

    /// Finds which predictions wanted boxes are held to.
    fn matching(&self, found: &Predicted, boxes: &[f32]) -> Matched {
        let [batch, count, classes] = found.classes.dims();
        let mut hit = vec![0.0; batch * count * classes];
        let mut chosen = vec![0.0; batch * count];
        let mut wanted = vec![0.0; batch * count * 4];
        let mut others = vec![1.0; batch * count];
        for row in 0..batch {
            let seen = |at: usize| {
                let at = 4 * (row * count + at);
                [boxes[at], boxes[at + 1], boxes[at + 2], boxes[at + 3]]
            };
            for one in &self.wanted {
                let goal = middle(one.bounds);
                let free = (0..count).filter(|at| chosen[row * count + at] == 0.0);
                let nearest = free.max_by(|&a, &b| {
                    let [a, b] = [a, b].map(|at| nearness(seen(at), one.bounds));
                    a.total_cmp(&b)
                });
                let Some(nearest) = nearest else { continue };
                let at = row * count + nearest;
                chosen[at] = 1.0;
                hit[at * classes + one.class] = 1.0;
                wanted[4 * at..][..4].copy_from_slice(&goal);
                for other in 0..count {
                    if shared(corners(seen(other)), one.bounds) > SHARED {
                        others[row * count + other] = 0.0;
                    }
                }
                others[at] = 0.0;
            }
        }
        let device = found.classes.device();
        Matched {
            hit: device.tensor([batch, count, classes], hit),
            chosen: device.tensor([batch, count, 1], chosen),
            wanted: device.tensor([batch, count, 4], wanted),
            others: device.tensor([batch, count, 1], others),
        }
    }

    fn matched(&self) -> Matched {
        self.matched.take().expect("prepared for these pictures")
    }

    /// The mean over wanted boxes of how far the numbers of their predictions are off.
    fn distance(&self, found: &Predicted, matched: &Matched) -> Tensor {
        let off = found.boxes.sub(&matched.wanted).unary(Unary::Abs);
        let share = 1.0 / (4 * self.wanted.len()) as f64;
        off.mul(&matched.chosen).sum(&[1, 2]).affine(share, 0.0)
    }
}

impl Guide for Detector {
    fn name(&self) -> &'static str {
        "network"
    }

    fn prepare<'a>(&'a self, image: &'a Tensor) -> LocalFuture<'a, Result<usize>> {
        Box::pin(async move {
            let found = self.predicted(&image.detached())?;
            let boxes = found.boxes.read().await?;
            self.matched.replace(Some(self.matching(&found, &boxes)));
            Ok(0)
        })
    }

    /// The negative logarithm of how sure it is of each thing, how far its box is off, and how sure it is of others.
    ///
    /// # Panics
    /// When nobody [prepared](Guide::prepare) for these pictures.
    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let found = self.predicted(image)?;
        let matched = self.matched();
        let share = 1.0 / self.wanted.len() as f64;
        let unlikely = |sure: &Tensor| {
            sure.relu()
                .affine(1.0, EPS)
                .unary(Unary::Log)
                .affine(-1.0, 0.0)
        };
        let doubt = unlikely(&found.sure).mul(&matched.chosen).sum(&[1, 2]);
        let other = unlikely(&found.classes).mul(&matched.hit).sum(&[1, 2]);
        // Sure ones count most, as in the focal loss (Lin et al. 2017, https://arxiv.org/abs/1708.02002).
        let clear = unlikely(&found.sure.affine(-1.0, 1.0));
        let more = found
            .sure
            .unary(Unary::Square)
            .mul(&clear)
            .mul(&matched.others);
        let sum = doubt.add(&other).add(&more.sum(&[1, 2])).affine(share, 0.0);
        let loss = sum.mix(1.0, &self.distance(&found, &matched), BOX_WEIGHT);
        Ok(loss.reshape([image.shape()[0]]))
    }

    /// How sure it is of each thing where its box lies, less how far that is off; the mean over things, at most 1.
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        let found = self.predicted(image)?;
        let matched = self.matched();
        let sure = found
            .classes
            .mul(&found.sure)
            .mul(&matched.hit)
            .sum(&[1, 2]);
        let sure = sure.affine(1.0 / self.wanted.len() as f64, 0.0);
        let score = sure.sub(&self.distance(&found, &matched));
        Ok(score.reshape([image.shape()[0]]))
    }
}

/// A map of cells as predictions.
fn cells(found: &Tensor) -> Predicted {
    let [batch, channels, h, w] = found.dims();
    let rows = found.reshape([batch, channels, h * w]).permute(&[0, 2, 1]);
    let tangent = |x: &Tensor| x.affine(2.0, 0.0).unary(Unary::Sigmoid).affine(2.0, -1.0);
    let device = found.device();
    let corners =
        (0..h * w).flat_map(|at| [(at % w) as f32 / w as f32, (at / w) as f32 / h as f32]);
    let corners = device.tensor([1, h * w, 2], corners.collect());
    let cell = device.tensor([1, 1, 2], vec![1.0 / w as f32, 1.0 / h as f32]);
    let centres = tangent(&rows.slice(2, 1..3)).mul(&cell).add(&corners);
    let sides = rows.slice(2, 3..5).unary(Unary::Sigmoid);
    Predicted {
        sure: rows.slice(2, 0..1),
        classes: rows.slice(2, 5..channels),
        boxes: Tensor::concat(&[&centres, &sides], 2),
    }
}

/// Centre, width and height of what lies between these bounds.
fn middle([left, top, right, bottom]: [f32; 4]) -> [f32; 4] {
    [
        f32::midpoint(left, right),
        f32::midpoint(top, bottom),
        right - left,
        bottom - top,
    ]
}

/// What lies around a centre with this width and height.
fn corners([x, y, width, height]: [f32; 4]) -> [f32; 4] {
    let [across, down] = [width, height].map(|side| side / 2.0);
    [x - across, y - down, x + across, y + down]
}

/// Greater for a box, by its centre and sides, that shares more with the bounds; of those that share nothing, for a nearer one.
fn nearness(seen: [f32; 4], bounds: [f32; 4]) -> f32 {
    let part = shared(corners(seen), bounds);
    if part > 0.0 {
        return part;
    }
    let goal = middle(bounds);
    -(seen[0] - goal[0]).hypot(seen[1] - goal[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearness_tells_boxes_apart_that_share_nothing() {
        let a = [0.0, 0.0, 0.5, 0.5];
        let [near, far] = [[0.5, 0.5, 0.6, 0.6], [0.8, 0.8, 0.9, 0.9]].map(middle);
        assert!(nearness(near, a) > nearness(far, a));
        let round = corners(middle(a));
        assert!(round.iter().zip(a).all(|(x, y)| (x - y).abs() < 1e-6));
    }

    #[test]
    fn an_outputs_shape_tells_how_it_spells_predictions() {
        assert_eq!(Head::of(&[1, 85, 22, 22]), Some(Head::Cells));
        assert_eq!(Head::of(&[1, 25200, 85]), Some(Head::Rows));
        assert_eq!(Head::of(&[1, 84, 8400]), Some(Head::Columns));
        assert_eq!(Head::of(&[1, 128]), None);
    }
}
