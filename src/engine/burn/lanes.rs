//! Attention on a processor, four queries at a time, with as many lanes as it has.
//!
//! burn's own takes scores one by one and calls the system's `expf` for each, which was a third of the time of a 256-pixel picture.
#![expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the lanes that were found"
)]

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Queries that go along the keys together.
const TILE: usize = 4;
/// Queries that a thread takes at a time.
const BLOCK: usize = 32;
/// Keys are filled up to a multiple of this: no processor that is known has more lanes.
const MOST_LANES: usize = 16;
/// What is smaller has an `exp` of nothing.
const LOWEST: f32 = -87.0;

/// What attends to what.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) heads: usize,
    /// Channels of a head.
    pub(super) width: usize,
    /// Whether a query sees no key that comes after it.
    pub(super) causal: bool,
    /// What products of queries and keys are multiplied by.
    pub(super) scale: f32,
}

/// Softmax of the scaled products of queries and keys, times the values.
///
/// # Shapes
/// - `q`, and what comes out: `[batch, queries, heads * width]`
/// - `k`, `v`: `[batch, keys, heads * width]`
pub(super) fn attention([q, k, v]: [&[f32]; 3], sizes: Sizes) -> Vec<f32> {
    let Sizes { heads, width, .. } = sizes;
    let channels = heads * width;
    let columns: Vec<Columns> = (0..sizes.batch * heads)
        .into_par_iter()
        .map(|at| Columns::new(k, v, [at / heads, at % heads], sizes))
        .collect();
    let mut out = vec![0.0; q.len()];
    let row = sizes.queries * channels;
    let blocks: Vec<_> = out
        .chunks_mut(row)
        .zip(q.chunks(row))
        .enumerate()
        .flat_map(|(at, (out, q))| {
            let columns = &columns[at * heads..][..heads];
            let blocks = out
                .chunks_mut(BLOCK * channels)
                .zip(q.chunks(BLOCK * channels));
            let firsts = (0..).step_by(BLOCK);
            firsts
                .zip(blocks)
                .map(move |(first, (out, q))| (first, out, q, columns))
        })
        .collect();
    blocks.into_par_iter().for_each(|(first, out, q, columns)| {
        attend(first, out, q, columns, sizes);
    });
    out
}

/// Every head of some queries, of which `first` is the first.
fn attend(first: usize, out: &mut [f32], q: &[f32], columns: &[Columns], sizes: Sizes) {
    let width = sizes.width;
    let channels = sizes.heads * width;
    let count = q.len() / channels;
    let mut scores = vec![0.0; TILE * sizes.padded()];
    let mut found = vec![0.0; TILE * width];
    let arch = Arch::new();
    for (head, columns) in columns.iter().enumerate() {
        for start in (0..count).step_by(TILE) {
            // A tile that is not whole takes its last query again.
            let rows = [0, 1, 2, 3].map(|lane| (start + lane).min(count - 1));
            arch.dispatch(Tile {
                queries: rows.map(|row| &q[row * channels + head * width..][..width]),
                seen: rows.map(|row| sizes.seen(first + row)),
                columns,
                scale: sizes.scale,
                scores: &mut scores,
                found: &mut found,
            });
            for (row, found) in rows.into_iter().zip(found.chunks(width)) {
                out[row * channels + head * width..][..width].copy_from_slice(found);
            }
        }
    }
}

impl Sizes {
    /// Keys, filled up.
    fn padded(&self) -> usize {
        self.keys.next_multiple_of(MOST_LANES)
    }

    /// Keys that a query sees.
    fn seen(&self, query: usize) -> usize {
        if self.causal {
            self.keys.min(query + 1)
        } else {
            self.keys
        }
    }
}

/// A head's keys and values, one line for each channel.
struct Columns {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Columns {
    fn new(k: &[f32], v: &[f32], [row, head]: [usize; 2], sizes: Sizes) -> Self {
        let [keys, values] = [k, v].map(|from| {
            let channels = sizes.heads * sizes.width;
            let padded = sizes.padded();
            let mut lines = vec![0.0; sizes.width * padded];
            let tokens = from[row * sizes.keys * channels..].chunks(channels);
            for (at, token) in tokens.take(sizes.keys).enumerate() {
                let token = &token[head * sizes.width..][..sizes.width];
                for (channel, x) in token.iter().enumerate() {
                    lines[channel * padded + at] = *x;
                }
            }
            lines
        });
        Self { keys, values }
    }
}

/// One head of a few queries.
struct Tile<'a> {
    queries: [&'a [f32]; TILE],
    /// Keys that each of them sees.
    seen: [usize; TILE],
    columns: &'a Columns,
    scale: f32,
    /// Room for a line of scores for each query.
    scores: &'a mut [f32],
    /// What they find, one behind the other.
    found: &'a mut [f32],
}

impl WithSimd for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [q0, q1, q2, q3] = self.queries;
        let width = q0.len();
        let padded = self.scores.len() / TILE;
        let lanes = padded / S::F32_LANES;
        let zero = simd.splat_f32s(0.0);
        let scale = simd.splat_f32s(self.scale);
        let (keys, _) = S::as_simd_f32s(&self.columns.keys);
        let (values, _) = S::as_simd_f32s(&self.columns.values);

        let (scores, _) = S::as_mut_simd_f32s(self.scores);
        for at in 0..lanes {
            let [mut a, mut b, mut c, mut d] = [zero; TILE];
            for (channel, line) in keys.chunks_exact(lanes).enumerate() {
                let key = line[at];
                a = simd.mul_add_e_f32s(simd.splat_f32s(q0[channel]), key, a);
                b = simd.mul_add_e_f32s(simd.splat_f32s(q1[channel]), key, b);
                c = simd.mul_add_e_f32s(simd.splat_f32s(q2[channel]), key, c);
                d = simd.mul_add_e_f32s(simd.splat_f32s(q3[channel]), key, d);
            }
            scores[at] = simd.mul_f32s(a, scale);
            scores[lanes + at] = simd.mul_f32s(b, scale);
            scores[2 * lanes + at] = simd.mul_f32s(c, scale);
            scores[3 * lanes + at] = simd.mul_f32s(d, scale);
        }

        let mut sums = [0.0; TILE];
        let lines = self.scores.chunks_exact_mut(padded);
        for ((line, seen), sum) in lines.zip(self.seen).zip(&mut sums) {
            line[seen..].fill(f32::NEG_INFINITY);
            exponentials(simd, S::as_mut_simd_f32s(line).0);
            line[seen..].fill(0.0);
            let shares = S::as_simd_f32s(line).0.iter();
            *sum = simd.reduce_sum_f32s(shares.fold(zero, |sum, x| simd.add_f32s(sum, *x)));
        }

        let (scores, _) = S::as_simd_f32s(self.scores);
        for (channel, line) in values.chunks_exact(lanes).enumerate() {
            let [mut a, mut b, mut c, mut d] = [zero; TILE];
            for (at, value) in line.iter().enumerate() {
                a = simd.mul_add_e_f32s(scores[at], *value, a);
                b = simd.mul_add_e_f32s(scores[lanes + at], *value, b);
                c = simd.mul_add_e_f32s(scores[2 * lanes + at], *value, c);
                d = simd.mul_add_e_f32s(scores[3 * lanes + at], *value, d);
            }
            for (row, found) in [a, b, c, d].into_iter().enumerate() {
                self.found[row * width + channel] = simd.reduce_sum_f32s(found) / sums[row];
            }
        }
    }
}

/// `exp` of each score less the largest.
#[inline(always)]
fn exponentials<S: Simd>(simd: S, scores: &mut [S::f32s]) {
    let first = scores[0];
    let largest = scores.iter().fold(first, |a, b| simd.max_f32s(a, *b));
    let largest = simd.splat_f32s(simd.reduce_max_f32s(largest));
    for score in scores {
        *score = exp(simd, simd.sub_f32s(*score, largest));
    }
}

/// `exp` of what is at most 0, within 2e-7 of it: a power of two, and a Taylor series of what is left, which is at most `ln 2 / 2`.
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let number = |x: f32| simd.splat_f32s(x);
    let lowest = number(LOWEST);
    // What is no number stays none.
    let x = simd.select_f32s(simd.less_than_f32s(x, lowest), lowest, x);
    // Added to this, a small number is rounded, and stands in the last bits.
    let rounder = number(12_582_912.0);
    let shifted = simd.mul_add_e_f32s(x, number(std::f32::consts::LOG2_E), rounder);
    let whole = simd.sub_f32s(shifted, rounder);
    // `ln 2` in two parts, of which the first has few bits.
    let rest = simd.sub_f32s(x, simd.mul_f32s(whole, number(0.693_359_4)));
    let rest = simd.sub_f32s(rest, simd.mul_f32s(whole, number(-2.121_944_4e-4)));
    let terms = [120.0, 24.0, 6.0, 2.0, 1.0, 1.0];
    let series = terms
        .into_iter()
        .fold(number(1.0 / 720.0), |sum, factorial| {
            simd.mul_add_e_f32s(sum, rest, number(1.0 / factorial))
        });
    let exponent = simd.wrapping_dyn_shl_u32s(
        simd.transmute_u32s_f32s(shifted),
        simd.splat_u32s(f32::MANTISSA_DIGITS - 1),
    );
    let power = simd.add_u32s(exponent, simd.splat_u32s(1.0_f32.to_bits()));
    simd.mul_f32s(series, simd.transmute_f32s_u32s(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes {
        batch: 2,
        queries: 37,
        keys: 21,
        heads: 3,
        width: 5,
        causal: false,
        scale: 0.4,
    };

    fn waves(count: usize, speed: f32) -> Vec<f32> {
        (0..count)
            .map(|at| (at as f32 * speed).sin() * 3.0)
            .collect()
    }

    fn inputs(sizes: Sizes) -> [Vec<f32>; 3] {
        let channels = sizes.heads * sizes.width;
        [(sizes.queries, 0.7), (sizes.keys, 1.3), (sizes.keys, 0.31)]
            .map(|(tokens, speed)| waves(sizes.batch * tokens * channels, speed))
    }

    /// The same, number by number in f64.
    fn plain([q, k, v]: [&[f32]; 3], sizes: Sizes) -> Vec<f64> {
        let channels = sizes.heads * sizes.width;
        let mut out = Vec::new();
        for (row, query) in
            (0..sizes.batch).flat_map(|row| (0..sizes.queries).map(move |at| (row, at)))
        {
            for channel in 0..channels {
                let head = channel / sizes.width * sizes.width;
                let of = |from: &[f32], tokens: usize, token: usize, channel: usize| {
                    f64::from(from[(row * tokens + token) * channels + channel])
                };
                let [mut above, mut below] = [0.0; 2];
                for key in 0..sizes.seen(query) {
                    let product: f64 = (head..head + sizes.width)
                        .map(|c| of(q, sizes.queries, query, c) * of(k, sizes.keys, key, c))
                        .sum();
                    let share = (product * f64::from(sizes.scale)).exp();
                    above += share * of(v, sizes.keys, key, channel);
                    below += share;
                }
                out.push(above / below);
            }
        }
        out
    }

    #[test]
    fn it_is_attention_whatever_the_sizes() {
        for (queries, keys, width, causal) in [
            (37, 21, 5, false),
            (1, 1, 1, false),
            (64, 77, 12, false),
            (33, 33, 8, true),
            (5, 40, 16, true),
        ] {
            let sizes = Sizes {
                queries,
                keys,
                width,
                causal,
                ..SIZES
            };
            let [q, k, v] = inputs(sizes);
            let expected = plain([&q, &k, &v], sizes);
            let found = attention([&q, &k, &v], sizes);
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(&expected) {
                assert!(
                    (f64::from(*a) - b).abs() < 1e-5,
                    "{a} {b} at {queries} {keys} {width}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let [q, mut k, v] = inputs(SIZES);
        k[7] = f32::NAN;
        let found = attention([&q, &k, &v], SIZES);
        let row = SIZES.queries * SIZES.heads * SIZES.width;
        assert!(
            found[5..10].iter().all(|x| x.is_nan()),
            "the second head saw it"
        );
        assert!(
            found[..5].iter().all(|x| x.is_finite()),
            "the first did not"
        );
        assert!(
            found[row..].iter().all(|x| x.is_finite()),
            "nor the other row"
        );
    }

    #[test]
    fn scores_far_apart_leave_the_largest() {
        let sizes = Sizes {
            batch: 1,
            queries: 1,
            keys: 3,
            heads: 1,
            width: 1,
            causal: false,
            scale: 1.0,
        };
        let found = attention([&[1.0], &[-3e4, 2e4, 0.0], &[5.0, 6.0, 7.0]], sizes);
        assert_eq!(found, [6.0]);
    }
}
