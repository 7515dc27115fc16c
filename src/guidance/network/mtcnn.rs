//! MTCNN, the face detector that the published guidance looks for faces with: facenet-pytorch's, with its settings.
//!
//! Three networks look one after another (Zhang et al. 2016, <https://arxiv.org/abs/1604.02878>); between them boxes are moved, thinned
//! out and cut from the picture, on the host. The numbers are those of
//! <https://github.com/timesler/facenet-pytorch/blob/787da06156087cd6b616fe6608213722bddc30cd/models/utils/detect_face.py>.

use super::{
    bounds::{area, shared},
    finder::Face,
};
use crate::{
    error::Result,
    models::published::{LAST_PX, MtcnnStages, REFINED_PX, Refiner, Sighting},
    tensor::{Device, Tensor},
};

/// By how much the picture is shrunk from one look of the first network to its next.
const SHRINK: f64 = 0.709;
/// What the first network sees at once, and how far apart its boxes are.
const CELL_PX: f64 = 12.0;
const STRIDE_PX: f32 = 2.0;
/// Boxes share no more than this: of one look, of all looks and behind the second network, and behind the third.
const MOST_SHARED: [f32; 3] = [0.5, 0.7, 0.7];
/// Boxes that are looked at together. Always as many, so that a lazy engine plans for them once.
const TOGETHER: usize = 32;

/// What counts as a face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MtcnnSettings {
    /// How large one is at least.
    pub least_face_px: f64,
    /// How sure each of the networks has to be.
    pub least_scores: [f32; 3],
}

impl Default for MtcnnSettings {
    fn default() -> Self {
        Self {
            least_face_px: 20.0,
            least_scores: [0.6, 0.7, 0.7],
        }
    }
}

/// The detector.
pub struct Mtcnn {
    stages: MtcnnStages,
    settings: MtcnnSettings,
}

/// A box on its way through the networks, in pixels.
#[derive(Clone, Copy)]
struct Candidate {
    bounds: [f32; 4],
    score: f32,
    /// By what share of its sides each edge is off.
    off: [f32; 4],
    /// What the last network says of eyes, nose and mouth.
    points: [f32; 10],
}

impl Candidate {
    fn sides(&self) -> [f32; 2] {
        let [left, top, right, bottom] = self.bounds;
        [right - left, bottom - top]
    }

    /// With each edge where it belongs; a pixel more counts as `one_more` says.
    fn moved(self, one_more: f32) -> Self {
        let [w, h] = self.sides().map(|side| side + one_more);
        let sides = [w, h, w, h];
        let bounds = [0, 1, 2, 3].map(|edge| self.bounds[edge] + self.off[edge] * sides[edge]);
        Self { bounds, ..self }
    }

    /// The square around the same middle, as large as the longer side.
    fn squared(self) -> Self {
        let [w, h] = self.sides();
        let side = w.max(h);
        let left = self.bounds[0] + w * 0.5 - side * 0.5;
        let top = self.bounds[1] + h * 0.5 - side * 0.5;
        let bounds = [left, top, left + side, top + side];
        Self { bounds, ..self }
    }

    /// The pixels in it, as the first column and row and those behind the last; none outside the picture.
    fn pixels(&self, [width, height]: [usize; 2]) -> Option<[usize; 4]> {
        let [left, top, right, bottom] = self.bounds.map(|edge| edge.trunc() as i64);
        let [width, height] = [width, height].map(|side| side as i64);
        let [left, top] = [left, top].map(|edge| edge.max(1) - 1);
        let [right, bottom] = [right.min(width), bottom.min(height)];
        (right > left && bottom > top).then(|| [left, top, right, bottom].map(|edge| edge as usize))
    }
}

/// A picture's numbers, 0 to 255.
struct Pixels {
    size: [usize; 2],
    numbers: Vec<f32>,
}

impl Pixels {
    /// A part brought to a size, each pixel the mean of all that it covers, and in the networks' numbers.
    fn look(&self, [left, top, right, bottom]: [usize; 4], [wide, tall]: [usize; 2]) -> Vec<f32> {
        let covered = |at: usize, count: usize, extent: usize| {
            at * extent / count..((at + 1) * extent).div_ceil(count)
        };
        let mut numbers = Vec::with_capacity(wide * tall * 3);
        for y in 0..tall {
            let rows = covered(y, tall, bottom - top);
            for x in 0..wide {
                let columns = covered(x, wide, right - left);
                let mut sums = [0.0; 3];
                for row in rows.clone() {
                    for column in columns.clone() {
                        let at = 3 * ((top + row) * self.size[0] + left + column);
                        for (sum, number) in sums.iter_mut().zip(&self.numbers[at..]) {
                            *sum += number;
                        }
                    }
                }
                let count = (rows.len() * columns.len()) as f32;
                numbers.extend(sums.map(|sum| (sum / count - 127.5) / 128.0));
            }
        }
        numbers
    }
}

impl Mtcnn {
    /// Of its networks.
    pub fn new(stages: MtcnnStages, settings: MtcnnSettings) -> Self {
        Self { stages, settings }
    }

    /// The faces in one picture, the surest first.
    ///
    /// # Shapes
    /// - `image`: `[1, H, W, 3]` in 0..1
    ///
    /// # Errors
    /// When the device is lost.
    pub async fn faces(&self, image: &Tensor) -> Result<Vec<Face>> {
        let [_, height, width, _] = image.dims();
        let numbers = image.detached().affine(255.0, 0.0).read().await?;
        let size = [width, height];
        let picture = Pixels { size, numbers };
        let device = image.device();

        let mut found = Vec::new();
        for scale in self.scales(size) {
            let each = self.proposed(&picture, scale, device).await?;
            found.extend(thinned(each, MOST_SHARED[0], shared));
        }
        let found = thinned(found, MOST_SHARED[1], shared);
        let found: Vec<_> = found
            .into_iter()
            .map(|one| one.moved(0.0).squared())
            .collect();

        let refined = [
            (&self.stages.rnet, REFINED_PX),
            (&self.stages.onet, LAST_PX),
        ];
        let [second, third] = refined;
        let [_, second_score, third_score] = self.settings.least_scores;
        let found = looked_at(second, second_score, found, &picture, device).await?;
        let found = thinned(found, MOST_SHARED[1], shared);
        let found: Vec<_> = found
            .into_iter()
            .map(|one| one.moved(1.0).squared())
            .collect();

        let found = looked_at(third, third_score, found, &picture, device).await?;
        // Eyes, nose and mouth are counted from the box as it was looked at.
        let known = found.into_iter().map(|one| {
            let points = places(&one);
            let Candidate { bounds, score, .. } = one.moved(1.0);
            Candidate {
                bounds,
                score,
                off: [0.0; 4],
                points,
            }
        });
        let found = thinned(known.collect(), MOST_SHARED[2], covered);
        let face = |one: Candidate| Face {
            score: one.score,
            bounds: [0, 1, 2, 3].map(|edge| one.bounds[edge] / size[edge % 2] as f32),
            landmarks: [0, 1, 2, 3, 4]
                .map(|point| [0, 1].map(|axis| one.points[2 * point + axis] / size[axis] as f32)),
        };
        Ok(found.into_iter().map(face).collect())
    }

    /// How much smaller the first network sees a picture of this size at each look: until nothing is left of it.
    fn scales(&self, size: [usize; 2]) -> Vec<f64> {
        let first = CELL_PX / self.settings.least_face_px;
        let mut shorter = size[0].min(size[1]) as f64 * first;
        let mut scale = first;
        let mut scales = Vec::new();
        while shorter >= CELL_PX {
            scales.push(scale);
            scale *= SHRINK;
            shorter *= SHRINK;
        }
        scales
    }

    /// What the first network sees in the picture at one scale.
    async fn proposed(
        &self,
        picture: &Pixels,
        scale: f64,
        device: &Device,
    ) -> Result<Vec<Candidate>> {
        let [width, height] = picture.size;
        let [wide, tall] = [width, height].map(|side| (side as f64 * scale + 1.0) as usize);
        let look = picture.look([0, 0, width, height], [wide, tall]);
        let seen = self
            .stages
            .pnet
            .forward(&device.tensor([1, tall, wide, 3], look));
        let columns = seen.sure.shape()[2];
        let [sure, off] = numbers(&seen, device).await?;
        let corner = |cell: usize, more: f32| {
            let along = (STRIDE_PX * cell as f32 + more) / scale as f32;
            along.floor()
        };
        let candidate = |at: usize| {
            let cell = [at % columns, at / columns];
            let [left, top] = cell.map(|cell| corner(cell, 1.0));
            let [right, bottom] = cell.map(|cell| corner(cell, CELL_PX as f32));
            Candidate {
                bounds: [left, top, right, bottom],
                score: sure[2 * at + 1],
                off: four(&off, at),
                points: [0.0; 10],
            }
        };
        let sure_ones =
            (0..sure.len() / 2).filter(|at| sure[2 * at + 1] >= self.settings.least_scores[0]);
        Ok(sure_ones.map(candidate).collect())
    }
}

/// How sure a network is, and how far edges are off.
async fn numbers(seen: &Sighting, device: &Device) -> Result<[Vec<f32>; 2]> {
    device.eval(&[&seen.sure, &seen.off])?;
    Ok([seen.sure.read().await?, seen.off.read().await?])
}

fn four(off: &[f32], at: usize) -> [f32; 4] {
    [0, 1, 2, 3].map(|edge| off[4 * at + edge])
}

/// Those of which a network is sure enough, with what it says of them.
async fn looked_at(
    (network, side): (&Refiner, usize),
    least_score: f32,
    candidates: Vec<Candidate>,
    picture: &Pixels,
    device: &Device,
) -> Result<Vec<Candidate>> {
    let inside = candidates
        .into_iter()
        .filter_map(|one| Some((one, one.pixels(picture.size)?)));
    let inside: Vec<_> = inside.collect();
    let mut kept = Vec::new();
    for group in inside.chunks(TOGETHER) {
        let mut looks = Vec::with_capacity(TOGETHER * side * side * 3);
        for (_, pixels) in group {
            looks.extend(picture.look(*pixels, [side; 2]));
        }
        looks.resize(TOGETHER * side * side * 3, 0.0);
        let seen = network.forward(&device.tensor([TOGETHER, side, side, 3], looks));
        let [sure, off] = numbers(&seen, device).await?;
        let points = match &seen.points {
            Some(points) => points.read().await?,
            None => vec![0.0; 10 * TOGETHER],
        };
        for (at, (one, _)) in group.iter().enumerate() {
            let score = sure[2 * at + 1];
            if score > least_score {
                let mut said = [0.0; 10];
                said.copy_from_slice(&points[10 * at..][..10]);
                kept.push(Candidate {
                    bounds: one.bounds,
                    score,
                    off: four(&off, at),
                    points: said,
                });
            }
        }
    }
    Ok(kept)
}

/// Where eyes, nose and mouth are, across and down in pixels, one behind another.
fn places(one: &Candidate) -> [f32; 10] {
    let sides = one.sides().map(|side| side + 1.0);
    let mut places = [0.0; 10];
    for point in 0..5 {
        for axis in 0..2 {
            let share = one.points[5 * axis + point];
            places[2 * point + axis] = sides[axis] * share + one.bounds[axis] - 1.0;
        }
    }
    places
}

/// The surest, without those that share too much with a surer one.
fn thinned(
    mut found: Vec<Candidate>,
    most: f32,
    shared: fn([f32; 4], [f32; 4]) -> f32,
) -> Vec<Candidate> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Candidate> = Vec::new();
    for one in found {
        if kept
            .iter()
            .all(|other| shared(other.bounds, one.bounds) <= most)
        {
            kept.push(one);
        }
    }
    kept
}

/// What two boxes share, as a part of the smaller, where the last pixel of each counts.
fn covered(a: [f32; 4], b: [f32; 4]) -> f32 {
    let [a, b] = [a, b].map(|[left, top, right, bottom]| [left, top, right + 1.0, bottom + 1.0]);
    let inside = [
        a[0].max(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].min(b[3]),
    ];
    area(inside) / area(a).min(area(b)).max(f32::MIN_POSITIVE)
}
