//! Attention, whole and in its two halves.

use burn::tensor::{Bool, Device, Tensor, activation, module, ops::AttentionModuleOptions};

use super::{
    lanes::{self, Sizes},
    operand::{Flat, Operand, flatten, from_host},
};

/// `[B, N, heads * D]` as `[B, heads, N, D]`.
fn split(x: &Operand, heads: usize) -> Tensor<4> {
    let [batch, tokens, channels] = x.dims();
    x.view([batch, tokens, heads, channels / heads])
        .permute([0, 2, 1, 3])
}

/// `[B, heads, N, D]` as `[B, N, heads * D]`.
fn join(x: Tensor<4>) -> Flat {
    flatten(x.permute([0, 2, 1, 3]))
}

/// True where a query must not see a key: each key after it.
fn future(dims: [usize; 4], device: &Device) -> Tensor<4, Bool> {
    let [_, _, queries, keys] = dims;
    Tensor::<2, Bool>::tril_mask([queries, keys], 0, device)
        .reshape([1, 1, queries, keys])
        .expand(dims)
}

/// On the processor, by a kernel of our own.
pub(super) fn by_lanes(
    inputs: [&Operand; 3],
    heads: usize,
    scale: f32,
    causal: bool,
    device: &Device,
) -> Flat {
    let [batch, queries, channels] = inputs[0].dims();
    let [_, keys, _] = inputs[1].dims();
    let sizes = Sizes {
        batch,
        queries,
        keys,
        heads,
        width: channels / heads,
        causal,
        scale,
    };
    let data = inputs.map(|input| input.flat.clone().into_data());
    let [q, k, v] = [0, 1, 2].map(|at| data[at].as_slice().expect("this engine computes in f32"));
    let found = lanes::attention([q, k, v], sizes);
    from_host(found, [batch * queries * channels], device)
}

pub(super) fn attention(
    [q, k, v]: [&Operand; 3],
    heads: usize,
    scale: f32,
    causal: bool,
    device: &Device,
) -> Flat {
    let [q, k, v] = [q, k, v].map(|x| split(x, heads));
    let [batch, _, queries, _] = q.dims();
    let keys = k.dims()[2];
    // burn's own causal flag lines up the last query with the last key; ours the first with the first.
    let square = queries == keys;
    let mask = (causal && !square).then(|| future([batch, heads, queries, keys], device));
    let options = AttentionModuleOptions {
        scale: Some(f64::from(scale)),
        softcap: None,
        is_causal: causal && square,
    };
    join(module::attention(q, k, v, mask, None, options))
}

pub(super) fn probs(
    q: &Operand,
    k: &Operand,
    heads: usize,
    scale: f32,
    causal: bool,
    device: &Device,
) -> Flat {
    let [q, k] = [q, k].map(|x| split(x, heads));
    let scores = q.matmul(k.transpose()) * scale;
    let scores = if causal {
        let mask = future(scores.dims(), device);
        scores.mask_fill(mask, f32::NEG_INFINITY)
    } else {
        scores
    };
    flatten(activation::softmax(scores, 3))
}

pub(super) fn apply(probs: &Operand, v: &Operand) -> Flat {
    let [_, heads, _, _] = probs.dims();
    join(probs.exact::<4>().matmul(split(v, heads)))
}
