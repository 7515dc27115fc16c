//! What is done with boxes between the two networks of a detector, on the host: anchors, how far they are off, who is nearest.
//!
//! Boxes are left, top, right and bottom in pixels. The numbers are torchvision's
//! (<https://github.com/pytorch/vision/tree/v0.14.0/torchvision/models/detection>).

use crate::{
    guidance::network::bounds::{area, shared},
    models::published::CUT_FROM,
};

/// The side of a square anchor of the finest map; of each next map it is twice that.
const FINEST_PX: f32 = 32.0;
/// How much taller than wide anchors are.
const RATIOS: [f32; 3] = [0.5, 1.0, 2.0];
/// Sides do not grow by more, 1000 / 16.
const MOST_GROWTH: f32 = 62.5;
/// Boxes that are thinner are none.
const LEAST_PX: f32 = 1e-3;
/// Proposals share no more with a surer one of the same map.
const MOST_SHARED: f32 = 0.7;
/// A box of this side is cut from the third map.
const USUAL_PX: f32 = 224.0;

/// The anchors of maps of these heights and widths, on a picture of that size.
pub fn anchors(picture: [usize; 2], maps: &[[usize; 2]]) -> Vec<[f32; 4]> {
    let mut anchors = Vec::new();
    let mut side = FINEST_PX;
    for &[h, w] in maps {
        let halves = RATIOS.map(|ratio| {
            let tall = ratio.sqrt();
            [side / tall, side * tall].map(|extent| (extent / 2.0).round_ties_even())
        });
        let steps = [picture[0] / h, picture[1] / w];
        for (row, column) in (0..h).flat_map(|row| (0..w).map(move |column| (row, column))) {
            let [y, x] = [row * steps[0], column * steps[1]].map(|at| at as f32);
            anchors
                .extend(halves.map(|[across, down]| [x - across, y - down, x + across, y + down]));
        }
        side *= 2.0;
    }
    anchors
}

/// Middle, width and height.
fn middle([left, top, right, bottom]: [f32; 4]) -> [f32; 4] {
    let [w, h] = [right - left, bottom - top];
    [left + 0.5 * w, top + 0.5 * h, w, h]
}

/// How far `anchor` is off `wanted`: in its own sides, and the logarithms of how much they grow.
pub fn off(anchor: [f32; 4], wanted: [f32; 4]) -> [f32; 4] {
    let [a, b] = [anchor, wanted].map(middle);
    [
        (b[0] - a[0]) / a[2],
        (b[1] - a[1]) / a[3],
        (b[2] / a[2]).ln(),
        (b[3] / a[3]).ln(),
    ]
}

/// The box that an anchor is so far off.
fn moved(anchor: [f32; 4], off: &[f32]) -> [f32; 4] {
    let [x, y, w, h] = middle(anchor);
    let [x, y] = [off[0] * w + x, off[1] * h + y];
    let grown = |by: f32| by.min(MOST_GROWTH.ln()).exp();
    let [w, h] = [grown(off[2]) * w, grown(off[3]) * h];
    [x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h]
}

/// The proposals in a picture of this height and width, the surest first.
///
/// `counts` are the anchors of each map; of a map no more than `most` are looked at, and together no more are kept.
pub fn proposals(
    anchors: &[[f32; 4]],
    counts: &[usize],
    (sure, off): (&[f32], &[f32]),
    [height, width]: [usize; 2],
    most: usize,
) -> Vec<[f32; 4]> {
    let [height, width] = [height as f32, width as f32];
    let mut found: Vec<(f32, [f32; 4])> = Vec::new();
    let mut start = 0;
    for &count in counts {
        let mut surest: Vec<usize> = (start..start + count).collect();
        surest.sort_by(|&a, &b| sure[b].total_cmp(&sure[a]));
        surest.truncate(most);
        let mut kept: Vec<(f32, [f32; 4])> = Vec::new();
        for at in surest {
            let [left, top, right, bottom] = moved(anchors[at], &off[4 * at..4 * at + 4]);
            let [left, right] = [left, right].map(|x| x.clamp(0.0, width));
            let [top, bottom] = [top, bottom].map(|y| y.clamp(0.0, height));
            let one = [left, top, right, bottom];
            let is_box = right - left >= LEAST_PX && bottom - top >= LEAST_PX;
            if is_box
                && kept
                    .iter()
                    .all(|(_, other)| shared(*other, one) <= MOST_SHARED)
            {
                kept.push((sure[at], one));
            }
        }
        found.extend(kept);
        start += count;
    }
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    found.truncate(most);
    found.into_iter().map(|(_, one)| one).collect()
}

/// Which wanted box each of some boxes stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// The one of this number.
    For(usize),
    /// None.
    ForNothing,
    /// It is not to be judged: for none enough, and for nothing too much.
    Unclear,
}

/// Matches boxes with wanted ones by what they share: from `most` on they stand for one, below `least` for nothing. Where
/// `nearest_too`, those that share most with a wanted box stand for one however little it is.
pub fn matched(
    boxes: &[[f32; 4]],
    wanted: &[[f32; 4]],
    [least, most]: [f32; 2],
    nearest_too: bool,
) -> Vec<Stands> {
    let mut nearest = vec![0.0_f32; wanted.len()];
    let mut best = Vec::with_capacity(boxes.len());
    for &one in boxes {
        let mut greatest = (0, f32::MIN);
        for (at, &goal) in wanted.iter().enumerate() {
            let share = shared(goal, one);
            nearest[at] = nearest[at].max(share);
            if share > greatest.1 {
                greatest = (at, share);
            }
        }
        best.push(greatest);
    }
    let stands = boxes.iter().zip(best).map(|(&one, (at, share))| {
        let mut pairs = wanted.iter().zip(&nearest);
        let is_nearest = |(&goal, &most): (&[f32; 4], &f32)| shared(goal, one) >= most;
        if share >= most || (nearest_too && pairs.any(is_nearest)) {
            Stands::For(at)
        } else if share < least {
            Stands::ForNothing
        } else {
            Stands::Unclear
        }
    });
    stands.collect()
}

/// Which of the maps a box is cut from, by its size.
pub fn map_of(one: [f32; 4]) -> usize {
    let level = (4.0 + (area(one).sqrt() / USUAL_PX + 1e-6).log2()).floor();
    level.clamp(2.0, CUT_FROM as f32 + 1.0) as usize - 2
}

/// Some of these, no more than `count`: the same for the same seed, and any as likely as another.
pub fn some(mut of: Vec<usize>, count: usize, seed: u64) -> Vec<usize> {
    if of.len() > count {
        of.sort_by_key(|&at| mixed(seed ^ mixed(at as u64)));
        of.truncate(count);
    }
    of
}

/// A number that tells nothing of the one it is made of (`SplitMix64`'s last steps, Steele, Lea and Flood 2014,
/// <https://doi.org/10.1145/2714064.2660195>).
pub fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_where_its_anchor_is_off_to() {
        let anchor = [10.0, 20.0, 42.0, 52.0];
        let wanted = [12.0, 8.0, 60.0, 90.0];
        let found = moved(anchor, &off(anchor, wanted));
        let pairs = found.iter().zip(wanted);
        assert!(
            pairs.clone().all(|(a, b)| (a - b).abs() < 1e-4),
            "{found:?}"
        );
    }

    #[test]
    fn anchors_share_their_middle_and_their_area() {
        let anchors = anchors([64, 96], &[[16, 24], [2, 3]]);
        let at = |place: usize| anchors[place].map(|edge| edge as i32);
        assert_eq!(anchors.len(), 3 * (16 * 24 + 2 * 3));
        assert_eq!(at(0), [-23, -11, 23, 11]);
        assert_eq!(at(3 * 25 + 1), [4 - 16, 4 - 16, 20, 20]);
        // 64 / sqrt 2 / 2 is 22.6: the last map's tall anchor, at its last place.
        assert_eq!(at(anchors.len() - 1), [64 - 23, 32 - 45, 87, 77]);
    }

    #[test]
    fn some_are_as_many_as_asked_for_and_others_for_another_seed() {
        let chosen = |seed| some((0..1000).collect(), 100, seed);
        assert_eq!(chosen(1).len(), 100);
        assert_eq!(chosen(1), chosen(1));
        let both = chosen(1).iter().filter(|at| chosen(2).contains(at)).count();
        assert!(both < 30, "{both}");
        let mut hits = [0; 10];
        for seed in 0..200 {
            for at in chosen(seed) {
                hits[at / 100] += 1;
            }
        }
        assert!(
            hits.iter().all(|&count| (1800..2200).contains(&count)),
            "{hits:?}"
        );
        assert_eq!(some(vec![3, 1, 2], 3, 1), [3, 1, 2]);
    }

    #[test]
    fn a_wanted_box_has_its_nearest_anchor_however_far_it_is() {
        let boxes = [
            [0.0, 0.0, 10.0, 10.0],
            [50.0, 50.0, 60.0, 60.0],
            [0.0, 0.0, 9.0, 10.0],
        ];
        let wanted = [[0.0, 0.0, 10.0, 10.0], [55.0, 55.0, 90.0, 90.0]];
        let found = matched(&boxes, &wanted, [0.3, 0.95], true);
        assert_eq!(found, [Stands::For(0), Stands::For(1), Stands::Unclear]);
        let found = matched(&boxes, &wanted, [0.3, 0.95], false);
        assert_eq!(found[1], Stands::ForNothing);
    }
}
