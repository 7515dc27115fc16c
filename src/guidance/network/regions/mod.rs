//! Things in places, as Faster R-CNN sees them in photographs: the losses that it was trained by.

mod boxes;
mod names;

use std::{cell::RefCell, rc::Rc};

use self::boxes::{Stands, anchors, map_of, matched, mixed, off, proposals, some};
use super::{losses::softplus, matched::Boxed};
use crate::{
    error::{Error, Result},
    guidance::universal::Guide,
    models::{
        Prepared,
        published::{ANCHORS, CUT_FROM, FasterRcnn, FasterRcnnConfig, TOGETHER},
    },
    tensor::{Device, Interpolation, LocalFuture, PadMode, Tensor, Unary},
};

pub use names::COCO;

/// Pictures are grown to a multiple of this.
const DIVISIBLE_PX: usize = 32;
/// What anchors share with a wanted box to stand for nothing at most, and for it at least; the same of proposals.
const ANCHOR_SHARES: [f32; 2] = [0.3, 0.7];
const BOX_SHARES: [f32; 2] = [0.5, 0.5];
/// Of those that are judged, one in so many stands for a thing at most.
const THINGS_AMONG_ANCHORS: usize = 2;
const THINGS_AMONG_BOXES: usize = 4;
/// Below this distance a box's loss is a square.
const SQUARE_BELOW: f64 = 1.0 / 9.0;

/// How many anchors and boxes are judged in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Anchors.
    pub anchors: usize,
    /// Proposals that are kept; no more of one map are looked at.
    pub proposals: usize,
    /// Of those, and of the wanted boxes.
    pub boxes: usize,
}

impl Default for Judged {
    /// As it was trained.
    fn default() -> Self {
        Self {
            anchors: 256,
            proposals: 2000,
            boxes: 512,
        }
    }
}

/// Boxes that are cut from one map together.
struct Group {
    map: usize,
    boxes: Vec<[f32; 4]>,
    /// What each counts, at the class that it is to be, `[TOGETHER, classes]`
    wanted: Tensor,
}

/// What of one picture is judged.
struct Chosen {
    /// What each anchor counts, `[1, N]`
    anchors: Tensor,
    /// 1 where one stands for a thing, `[1, N]`
    things: Tensor,
    /// What each of those counts, `[1, N, 1]`
    placed: Tensor,
    /// How far it is to be off, `[1, N, 4]`
    off: Tensor,
    groups: Vec<Group>,
}

/// Pulls towards pictures in which Faster R-CNN sees given things in given places.
///
/// The loss is three of the four that it was trained by, as the published guidance has it: whether anchors stand for things, how
/// far those that do are off, and what the things in proposals are. What is judged is drawn anew for each picture, by a seed
/// that follows from what the network says of it. The choice is a constant of the gradient.
pub struct Regions {
    network: Rc<FasterRcnn>,
    input: Prepared,
    judged: Judged,
    /// Left, top, right and bottom as shares, and the class.
    wanted: Vec<([f32; 4], usize)>,
    chosen: RefCell<Vec<Chosen>>,
}

/// A picture as the network sees it.
struct Seen {
    maps: Vec<Tensor>,
    /// Height and width without what it was grown by, and with it.
    size: [usize; 2],
    grown: [usize; 2],
}

impl Regions {
    /// Towards these things in these places.
    ///
    /// # Errors
    /// When there is none, one is none of the network's classes or no box in the picture, or the device has no room.
    pub fn new(
        network: &Rc<FasterRcnn>,
        wanted: &[Boxed],
        judged: Judged,
        device: &Device,
    ) -> Result<Self> {
        if wanted.is_empty() {
            return Err(Error::Request(
                "the detection guide has no box: give it at least one, such as \"dog 0.1,0.2,0.5,0.9\""
                    .to_owned(),
            ));
        }
        let classes = network.config().classes;
        let one = |boxed: &Boxed| {
            boxed.check()?;
            Ok((boxed.bounds, names::class(&boxed.thing, classes)?))
        };
        Ok(Self {
            network: Rc::clone(network),
            input: FasterRcnnConfig::input().on(device)?,
            judged,
            wanted: wanted.iter().map(one).collect::<Result<_>>()?,
            chosen: RefCell::default(),
        })
    }

    /// The maps of one picture.
    fn seen(&self, image: &Tensor) -> Seen {
        let [_, h, w, _] = image.dims();
        let size = self.network.config().fitted([h, w]);
        let grown = size.map(|side| side.next_multiple_of(DIVISIBLE_PX));
        let fitted = image.resize(size, Interpolation::Bilinear, false);
        let after = [0, grown[0] - size[0], grown[1] - size[1], 0];
        let numbers = self.input.apply(&fitted);
        let numbers = if grown == size {
            numbers
        } else {
            numbers.pad(&[0; 4], &after, PadMode::Zero)
        };
        Seen {
            maps: self.network.maps(&numbers),
            size,
            grown,
        }
    }

    /// Wanted boxes in the pixels that the network sees.
    fn goals(&self, [height, width]: [usize; 2]) -> Vec<[f32; 4]> {
        let sides = [width, height, width, height].map(|side| side as f32);
        let placed =
            |(bounds, _): &([f32; 4], usize)| [0, 1, 2, 3].map(|edge| bounds[edge] * sides[edge]);
        self.wanted.iter().map(placed).collect()
    }

    /// What is judged of one picture.
    async fn choice(&self, image: &Tensor) -> Result<Chosen> {
        let seen = self.seen(&image.detached());
        let proposed = self.network.proposed(&seen.maps);
        let device = image.device();
        device.eval(&[&proposed.sure, &proposed.off])?;
        let [sure, moved] = [proposed.sure.read().await?, proposed.off.read().await?];
        let seed = sure
            .iter()
            .fold(0, |seed, sure| mixed(seed ^ u64::from(sure.to_bits())));
        let maps: Vec<[usize; 2]> = seen
            .maps
            .iter()
            .map(|map| [map.shape()[1], map.shape()[2]])
            .collect();
        let counts: Vec<usize> = maps.iter().map(|[h, w]| h * w * ANCHORS).collect();
        let anchors = anchors(seen.grown, &maps);
        let goals = self.goals(seen.size);

        let most = self.judged.proposals;
        let mut boxes = proposals(&anchors, &counts, (&sure, &moved), seen.size, most);
        boxes.extend(&goals);
        let groups = self.groups(&boxes, &goals, mixed(seed), device);

        let stands = matched(&anchors, &goals, ANCHOR_SHARES, true);
        let count = self.judged.anchors;
        let (things, nothing) = drawn(&stands, count, THINGS_AMONG_ANCHORS, seed);
        let share = 1.0 / (things.len() + nothing.len()) as f32;
        let total = anchors.len();
        let [mut counted, mut is_thing, mut placed] = [(); 3].map(|()| vec![0.0; total]);
        let mut wanted = vec![0.0; 4 * total];
        for &at in &nothing {
            counted[at] = share;
        }
        for &at in &things {
            counted[at] = share;
            is_thing[at] = 1.0;
            placed[at] = share;
            if let Stands::For(goal) = stands[at] {
                wanted[4 * at..4 * at + 4].copy_from_slice(&off(anchors[at], goals[goal]));
            }
        }
        Ok(Chosen {
            anchors: device.tensor([1, total], counted),
            things: device.tensor([1, total], is_thing),
            placed: device.tensor([1, total, 1], placed),
            off: device.tensor([1, total, 4], wanted),
            groups,
        })
    }

    /// Those boxes that are judged, by the map that they are cut from.
    fn groups(
        &self,
        boxes: &[[f32; 4]],
        goals: &[[f32; 4]],
        seed: u64,
        device: &Device,
    ) -> Vec<Group> {
        let stands = matched(boxes, goals, BOX_SHARES, false);
        let (things, nothing) = drawn(&stands, self.judged.boxes, THINGS_AMONG_BOXES, seed);
        let share = 1.0 / (things.len() + nothing.len()) as f32;
        let chosen = things.iter().chain(&nothing).map(|&at| {
            let class = match stands[at] {
                Stands::For(goal) => self.wanted[goal].1,
                Stands::ForNothing | Stands::Unclear => 0,
            };
            (boxes[at], class)
        });
        self.grouped(&chosen.collect::<Vec<_>>(), share, device)
    }

    /// Boxes with their classes, by the map that they are cut from.
    fn grouped(&self, boxes: &[([f32; 4], usize)], share: f32, device: &Device) -> Vec<Group> {
        let classes = self.network.config().classes;
        let mut groups = Vec::new();
        for map in 0..CUT_FROM {
            let inside = boxes.iter().filter(|(one, _)| map_of(*one) == map);
            for group in inside.collect::<Vec<_>>().chunks(TOGETHER) {
                let mut wanted = vec![0.0; TOGETHER * classes];
                for (at, (_, class)) in group.iter().enumerate() {
                    wanted[at * classes + class] = share;
                }
                groups.push(Group {
                    map,
                    boxes: group.iter().map(|(one, _)| *one).collect(),
                    wanted: device.tensor([TOGETHER, classes], wanted),
                });
            }
        }
        groups
    }

    /// How well each class fits each box of a group, before the softmax.
    fn classes(&self, seen: &Seen, group: &Group) -> Tensor {
        let stride = (4 << group.map) as f32;
        let [classes, _] = self
            .network
            .said_of(&seen.maps[group.map], &group.boxes, stride);
        classes
    }

    /// The loss of one picture, `[1]`, by its three parts.
    fn losses(&self, image: &Tensor, chosen: &Chosen) -> [Tensor; 3] {
        let seen = self.seen(image);
        let proposed = self.network.proposed(&seen.maps);
        let sure = &proposed.sure;
        let wrong = softplus(sure).sub(&sure.mul(&chosen.things));
        let objects = wrong.mul(&chosen.anchors).sum(&[1]).reshape([1]);

        let distance = proposed.off.sub(&chosen.off).unary(Unary::Abs);
        let near = distance.clamp(0.0, SQUARE_BELOW as f32);
        let square = near.mul(&near).affine(0.5 / SQUARE_BELOW, 0.0);
        let each = square.add(&distance.sub(&near)).mul(&chosen.placed);
        let places = each.sum(&[1, 2]).reshape([1]);

        let each = chosen.groups.iter().map(|group| {
            let logits = self.classes(&seen, group);
            let shifted = logits.sub(&logits.greatest(&[1]).detached());
            let sum = shifted.unary(Unary::Exp).sum(&[1]).unary(Unary::Log);
            sum.sub(&shifted)
                .mul(&group.wanted)
                .sum(&[0, 1])
                .reshape([1])
        });
        let classes = each.reduce(|a, b| a.add(&b));
        let classes = classes.expect("wanted boxes are among those that are judged");
        [objects, places, classes]
    }

    /// The losses of one picture, each for itself: whether anchors stand for things, how far those are off, what things are.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn parts(&self, image: &Tensor) -> Result<[Tensor; 3]> {
        let chosen = self.choice(image).await?;
        Ok(self.losses(image, &chosen))
    }

    /// How sure the network is of each wanted thing in its place, one by one.
    fn likely(&self, image: &Tensor) -> Tensor {
        let seen = self.seen(image);
        let goals = self.goals(seen.size);
        let goals = goals.into_iter().zip(&self.wanted);
        let goals: Vec<_> = goals.map(|(one, (_, class))| (one, *class)).collect();
        let share = 1.0 / goals.len() as f32;
        let groups = self.grouped(&goals, share, image.device());
        let each = groups.iter().map(|group| {
            let shares = self.classes(&seen, group).softmax();
            shares.mul(&group.wanted).sum(&[0, 1]).reshape([1])
        });
        each.reduce(|a, b| a.add(&b)).expect("there is a box")
    }
}

/// Draws those that stand for things, no more than one in `rare`, and those that stand for nothing, together no more than `count`.
fn drawn(stands: &[Stands], count: usize, rare: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let which = |test: fn(&Stands) -> bool| {
        let those = (0..stands.len()).filter(|&at| test(&stands[at]));
        those.collect::<Vec<_>>()
    };
    let things = which(|stands| matches!(stands, Stands::For(_)));
    let things = some(things, count / rare, seed);
    let nothing = which(|stands| *stands == Stands::ForNothing);
    let nothing = some(nothing, count - things.len(), seed);
    (things, nothing)
}

impl Guide for Regions {
    fn name(&self) -> &'static str {
        "detection"
    }

    fn prepare<'a>(&'a self, image: &'a Tensor) -> LocalFuture<'a, Result<usize>> {
        Box::pin(async move {
            let mut chosen = Vec::new();
            for row in 0..image.shape()[0] {
                chosen.push(self.choice(&image.rows(row..row + 1)).await?);
            }
            self.chosen.replace(chosen);
            Ok(0)
        })
    }

    /// The sum of the three losses. An error where nobody [prepared](Guide::prepare) for these pictures.
    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        let chosen = self.chosen.take();
        if chosen.len() != image.shape()[0] {
            return Err(Error::Request(
                "the detection guide was asked about pictures that it was not prepared for: have it look at them first"
                    .to_owned(),
            ));
        }
        let rows = chosen.iter().enumerate().map(|(row, chosen)| {
            let [objects, places, classes] = self.losses(&image.rows(row..row + 1), chosen);
            objects.add(&places).add(&classes)
        });
        let rows: Vec<_> = rows.collect();
        Ok(Tensor::concat(&rows.iter().collect::<Vec<_>>(), 0))
    }

    /// The mean over wanted boxes of how sure the network is of their things, 0 to 1.
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        let rows = 0..image.shape()[0];
        let rows: Vec<_> = rows
            .map(|row| self.likely(&image.rows(row..row + 1)))
            .collect();
        Ok(Tensor::concat(&rows.iter().collect::<Vec<_>>(), 0))
    }
}
