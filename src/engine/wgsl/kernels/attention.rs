//! Attention.

use super::{
    launch::{Launcher, flag},
    shader::{attention, attention_probs, attention_tiled},
};
use crate::engine::{op::Op, wgsl::step::row_quads};

/// Queries of a workgroup without workgroup memory: one a thread.
const TILE: usize = 64;

/// Queries of a workgroup with it.
const TILED: usize = 32;

/// Quads of a head that a workgroup with workgroup memory yields.
const SLAB: usize = 16;

/// Quads of the largest head that a thread goes through by itself, as in `shaders/attention.wgsl`. Drivers unroll its
/// loops, so that a head of 512 channels took lavapipe a minute to compile.
const MOST: usize = 16;

/// Lowers `Attention` and `AttentionProbs`.
pub fn lower(launcher: &mut Launcher) {
    match launcher.step.op {
        Op::Attention { heads, causal, .. } => lower_attention(launcher, heads, causal),
        Op::AttentionProbs { heads, causal, .. } => lower_probs(launcher, heads, causal),
        ref op => unreachable!("{op:?} is not attention"),
    }
}

/// Quads of a head. Heads lie side by side in a row, so several must each be whole quads.
pub fn head_quads(channels: usize, heads: usize) -> usize {
    let size = channels / heads;
    assert!(
        heads == 1 || size.is_multiple_of(4),
        "{heads} heads of {size} channels, which is no multiple of 4"
    );
    size.div_ceil(4)
}

fn lower_attention(launcher: &mut Launcher, heads: usize, causal: bool) {
    let [queries, keys] = [launcher.shape(0), launcher.shape(1)];
    let head_quads = head_quads(launcher.shape(0).last(), heads);
    let width = row_quads(queries);
    // Where a processor plays the GPU barriers are dear: each thread goes over the keys by itself.
    let tiled = !launcher.limits.software || head_quads > MOST;
    let tiles = queries[1].div_ceil(if tiled { TILED } else { TILE });
    let slabs = if tiled { head_quads.div_ceil(SLAB) } else { 1 };
    let fits = launcher.fits(queries) && launcher.fits(keys);
    let batches = if fits { queries[0] } else { 1 };
    for first in (0..queries[0]).step_by(batches) {
        let part = |tokens: usize| first * tokens * width..(first + batches) * tokens * width;
        let q = launcher.part(0, part(queries[1]));
        let [k, v] = [1, 2].map(|operand| launcher.part(operand, part(keys[1])));
        let out = launcher.out(part(queries[1]));
        let count = batches * heads * tiles * slabs;
        let params = attention::Params {
            queries: queries[1] as u32,
            keys: keys[1] as u32,
            heads: heads as u32,
            head_quads: head_quads as u32,
            row_quads: width as u32,
            tiles: tiles as u32,
            slabs: slabs as u32,
            count: count as u32,
            first_batch: first as u32,
            q_base: q.origin(),
            k_base: k.origin(),
            v_base: v.origin(),
            out_base: out.origin(),
        };
        let mut constants = vec![("CAUSAL", flag(causal))];
        if !tiled {
            constants.push(("HEAD_QUADS", head_quads as f64));
        }
        let workgroups = launcher.spread(count);
        let shader = if tiled {
            &attention_tiled::SHADER
        } else {
            &attention::SHADER
        };
        let bindings = [Some(&q), Some(&k), Some(&v), Some(&out)];
        launcher.launch_as(shader, workgroups, &params, constants, &bindings);
    }
}

fn lower_probs(launcher: &mut Launcher, heads: usize, causal: bool) {
    let [queries, keys] = [launcher.shape(0), launcher.shape(1)];
    let head_quads = head_quads(launcher.shape(0).last(), heads);
    let width = row_quads(queries);
    let tiles = queries[1].div_ceil(TILE);
    let key_quads = row_quads(&launcher.step.output);
    let head_out = queries[1] * key_quads;
    let all = queries[0] * heads;
    let [q, k] = [launcher.whole(0), launcher.whole(1)];
    let band = (launcher.binding_quads() / head_out).clamp(1, all);
    for first in (0..all).step_by(band) {
        let taken = band.min(all - first);
        let out = launcher.out(first * head_out..(first + taken) * head_out);
        let params = attention_probs::Params {
            queries: queries[1] as u32,
            keys: keys[1] as u32,
            key_quads: key_quads as u32,
            heads: heads as u32,
            head_quads: head_quads as u32,
            row_quads: width as u32,
            tiles: tiles as u32,
            count: (taken * tiles) as u32,
            first_head: first as u32,
            q_base: q.base,
            k_base: k.base,
            out_base: out.origin(),
        };
        let constants = vec![("CAUSAL", flag(causal))];
        let workgroups = launcher.spread(taken * tiles);
        launcher.launch(
            workgroups,
            &params,
            constants,
            &[Some(&q), Some(&k), Some(&out)],
        );
    }
}
