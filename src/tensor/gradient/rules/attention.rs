//! Attention.

use super::{Call, Gradients, math::softmax, products::turned};
use crate::{engine::Op, tensor::Tensor};

/// Scores that are held at one time: more are computed again a band of queries at a time.
const BAND_SCORES: usize = 1 << 24;

pub fn rule(call: &mut Call) -> Gradients {
    match *call.op {
        Op::Attention {
            heads,
            scale,
            causal,
        } => whole(call, heads, f64::from(scale.0), causal),
        Op::AttentionProbs { heads, scale, .. } => probs(call, heads, f64::from(scale.0)),
        Op::AttentionApply => apply(call),
        ref op => unreachable!("{op:?} is not attention"),
    }
}

/// `[B, N, heads * D]` as `[B, heads, N, D]`.
fn split(x: &Tensor, heads: usize) -> Tensor {
    let [batch, tokens, channels] = x.dims();
    let x = x.reshape([batch, tokens, heads, channels / heads]);
    x.permute(&[0, 2, 1, 3])
}

/// `sum_n s[n, m] x[n]` for each head: what each key is given by all queries.
///
/// # Shapes
/// - `s`: `[B, heads, N, M]`; `x`: `[B, N, heads * D]`
/// - returns `[B, M, heads * D]`
fn given(s: &Tensor, x: &Tensor, heads: usize) -> Tensor {
    let [batch, _, _, keys] = s.dims();
    let channels = x.shape().last();
    // s has as many elements as there are scores: what is turned around is the small side.
    let sums = turned(&split(x, heads)).matmul(s, None);
    let sums = sums.permute(&[0, 3, 1, 2]);
    sums.reshape([batch, keys, channels])
}

fn whole(call: &mut Call, heads: usize, scale: f64, causal: bool) -> Gradients {
    let [q, k, v] = [0, 1, 2].map(|operand| call.operand(operand));
    let g = call.gradient.clone();
    let [batch, queries, _] = q.dims();
    let keys = k.shape()[1];
    // A causal mask begins at the first query: it is not cut.
    let band = if causal {
        queries
    } else {
        (BAND_SCORES / (batch * heads * keys)).clamp(1, queries)
    };
    let values = split(&v, heads);
    let mut of_q = Vec::new();
    let mut of_k: Option<Tensor> = None;
    let mut of_v: Option<Tensor> = None;
    for first in (0..queries).step_by(band) {
        let rows = first..queries.min(first + band);
        let mut own = q.slice(1, rows.clone());
        // One band after the other, or a lazy engine might hold on to the scores of all.
        for done in of_k.iter().chain(&of_v) {
            own = own.after(done);
        }
        let given_g = g.slice(1, rows);
        let p = own.attention_probs(&k, heads, scale, causal);
        if call.wants(2) {
            of_v = Some(plus(of_v, given(&p, &given_g, heads)));
        }
        if !call.wants(0) && !call.wants(1) {
            continue;
        }
        let of_p = split(&given_g, heads).matmul_transposed(&values, None);
        let of_scores = softmax(&p, &of_p).affine(scale, 0.0);
        if call.wants(1) {
            of_k = Some(plus(of_k, given(&of_scores, &own, heads)));
        }
        of_q.push(of_scores.attention_apply(&k));
    }
    let of_q = call.wants(0).then(|| {
        let bands: Vec<_> = of_q.iter().collect();
        Tensor::concat(&bands, 1)
    });
    vec![of_q, of_k, of_v]
}

fn plus(sum: Option<Tensor>, more: Tensor) -> Tensor {
    match sum {
        Some(sum) => sum.add(&more),
        None => more,
    }
}

/// Where a query does not see a key its weight is 0, and so is the gradient with respect to its score.
fn probs(call: &mut Call, heads: usize, scale: f64) -> Gradients {
    let p = call.result();
    let of_scores = softmax(&p, &call.gradient).affine(scale, 0.0);
    let q = call
        .wants(0)
        .then(|| of_scores.attention_apply(&call.operand(1)));
    let k = call
        .wants(1)
        .then(|| given(&of_scores, &call.operand(0), heads));
    vec![q, k]
}

fn apply(call: &mut Call) -> Gradients {
    let heads = call.shape(0)[1];
    let g = call.gradient.clone();
    let p = call.wants(0).then(|| {
        let values = split(&call.operand(1), heads);
        split(&g, heads).matmul_transposed(&values, None)
    });
    let v = call.wants(1).then(|| given(&call.operand(0), &g, heads));
    vec![p, v]
}
