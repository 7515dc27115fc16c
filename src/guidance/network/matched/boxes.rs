//! Where in a picture there are to be which things.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{PLACED_SWAY, answer};
use crate::{
    error::{Error, Result},
    guidance::{network::losses::softplus, universal::Guide},
    models::guides::{Eyes, Question},
    tensor::{Tensor, Unary},
};

/// Bumps are this many times narrower than boxes, and at least so many cells (as the eyes' training has them).
const NARROWER: f32 = 6.0;
const LEAST_SPREAD: f32 = 0.8;
/// What a box's distance counts beside the heat.
const BOX_WEIGHT: f64 = 4.0;

/// A thing, and where it is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boxed {
    /// Its name.
    pub thing: String,
    /// Left, top, right, bottom as shares of the picture's width and height.
    pub bounds: [f32; 4],
}

/// Pulls towards pictures with given things in given places, and with no others.
///
/// The loss is the one that the eyes were trained by: penalty-reduced focal loss of the heat maps (Zhou et al. 2019,
/// <https://arxiv.org/abs/1904.07850>), and the distance of the boxes at the centres.
pub struct Boxes {
    eyes: Rc<Eyes>,
    /// 1 in the cell and map of each thing's centre, `[1, h, w, things]`
    hit: Tensor,
    /// How much heat elsewhere counts.
    miss: Tensor,
    /// Where in its cell each centre is, width and height, `[1, h, w, 4]`
    bounds: Tensor,
    /// 1 in the cell of each centre, `[1, h, w, 1]`
    centres: Tensor,
    count: usize,
}

impl Boxes {
    /// Towards these things in these places.
    ///
    /// # Errors
    /// When there are none, one is unknown or no box in the picture, two have one centre, or the device has no room.
    pub fn new(eyes: &Rc<Eyes>, wanted: &[Boxed]) -> Result<Self> {
        if wanted.is_empty() {
            return Err(Error::Request(
                "the detection guide has no box: give it at least one, such as \"dog 0.1,0.2,0.5,0.9\""
                    .to_owned(),
            ));
        }
        let size = eyes.heat_cells()?;
        let things = eyes.names(Question::Thing).len();
        let mut heat = vec![0.0_f32; size * size * things];
        let mut hit = heat.clone();
        let mut bounds = vec![0.0_f32; size * size * 4];
        let mut centres = vec![0.0_f32; size * size];
        for boxed in wanted {
            let thing = answer(eyes, Question::Thing, &boxed.thing)?;
            boxed.check()?;
            let [left, top, right, bottom] = boxed.bounds;
            let extent = [right - left, bottom - top];
            let centre = [left + right, top + bottom].map(|sum| sum / 2.0 * size as f32);
            let cell = centre.map(|at| (at as usize).min(size - 1));
            let spread = extent.map(|x| (x * size as f32 / NARROWER).max(LEAST_SPREAD));
            let bump = |at: usize, axis: usize| {
                let distance = at as f32 - cell[axis] as f32;
                (-distance.powi(2) / (2.0 * spread[axis].powi(2))).exp()
            };
            for (y, x) in (0..size).flat_map(|y| (0..size).map(move |x| (y, x))) {
                let warm = &mut heat[(y * size + x) * things + thing];
                *warm = warm.max(bump(x, 0) * bump(y, 1));
            }
            let at = cell[1] * size + cell[0];
            if centres[at] > 0.0 {
                return Err(Error::Request(format!(
                    "the box of {:?} has its centre where another has: things are told apart by their centres",
                    boxed.thing
                )));
            }
            centres[at] = 1.0;
            hit[at * things + thing] = 1.0;
            let within = [0, 1].map(|axis| centre[axis] - cell[axis] as f32);
            bounds[4 * at..][..4].copy_from_slice(&[within[0], within[1], extent[0], extent[1]]);
        }
        let miss = heat.iter().zip(&hit);
        let miss: Vec<f32> = miss
            .map(|(heat, hit)| (1.0 - hit) * (1.0 - heat).powi(4))
            .collect();
        let device = eyes.device();
        Ok(Self {
            eyes: Rc::clone(eyes),
            hit: device.constant([1, size, size, things], &hit)?,
            miss: device.constant([1, size, size, things], &miss)?,
            bounds: device.constant([1, size, size, 4], &bounds)?,
            centres: device.constant([1, size, size, 1], &centres)?,
            count: wanted.len(),
        })
    }

    /// How far the boxes at the centres are from the wanted ones: the mean over boxes and their four numbers.
    fn distance(&self, found: &Tensor) -> Tensor {
        let difference = found.sub(&self.bounds).unary(Unary::Abs).mul(&self.centres);
        let share = 1.0 / (4 * self.count) as f64;
        difference.sum(&[1, 2, 3]).affine(share, 0.0)
    }
}

impl Boxed {
    /// Reads `dog 0.1,0.2,0.5,0.9`: a name, then left, top, right and bottom.
    ///
    /// # Errors
    /// When it is not spelled so, or no box in the picture.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::Request(format!(
                "{text:?} is no box: write a thing and left, top, right, bottom in shares of the picture, \"dog 0.1,0.2,0.5,0.9\""
            ))
        };
        let (thing, numbers) = text
            .trim()
            .rsplit_once(char::is_whitespace)
            .ok_or_else(wrong)?;
        let numbers = numbers.split(',').map(|part| part.trim().parse::<f32>());
        let numbers = numbers
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| wrong())?;
        let bounds = <[f32; 4]>::try_from(numbers).map_err(|_| wrong())?;
        let boxed = Self {
            thing: thing.trim().to_owned(),
            bounds,
        };
        boxed.check()?;
        Ok(boxed)
    }

    /// Whether it has an extent and lies in the picture.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<()> {
        let [left, top, right, bottom] = self.bounds;
        let inside = self.bounds.iter().all(|x| (0.0..=1.0).contains(x));
        if inside && left < right && top < bottom {
            return Ok(());
        }
        Err(Error::Request(format!(
            "the box of {:?}, {left},{top},{right},{bottom}, is none in the picture: left and top come before right and bottom, all from 0 to 1",
            self.thing
        )))
    }
}

impl Guide for Boxes {
    fn name(&self) -> &'static str {
        "detection"
    }

    fn sway(&self) -> f32 {
        PLACED_SWAY
    }

    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let seen = self.eyes.look(image);
        let heat = seen.heat();
        let sure = heat.unary(Unary::Sigmoid);
        let doubt = sure.affine(-1.0, 1.0);
        let cold = doubt
            .unary(Unary::Square)
            .mul(&softplus(&heat.unary(Unary::Neg)));
        let warm = sure.unary(Unary::Square).mul(&softplus(&heat));
        let focal = cold.mul(&self.hit).add(&warm.mul(&self.miss));
        let focal = focal.sum(&[1, 2, 3]).affine(1.0 / self.count as f64, 0.0);
        let distance = self.distance(&seen.boxes());
        let loss = focal.mix(1.0, &distance, BOX_WEIGHT);
        Ok(loss.reshape([image.shape()[0]]))
    }

    /// How sure the eyes are of each thing at its centre, less how far its box is off; the mean over things, at most 1.
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        let seen = self.eyes.look(image);
        let sure = seen.heat().unary(Unary::Sigmoid).mul(&self.hit);
        let sure = sure.sum(&[1, 2, 3]).affine(1.0 / self.count as f64, 0.0);
        let score = sure.sub(&self.distance(&seen.boxes()));
        Ok(score.reshape([image.shape()[0]]))
    }
}
