//! Normalisations and the gated activation.

use burn::tensor::{activation, module, s};

use super::operand::{Flat, Operand, flatten};

pub(super) fn group_norm(
    x: &Operand,
    gamma: &Operand,
    beta: &Operand,
    groups: usize,
    eps: f32,
) -> Flat {
    let [batch, channels] = [x.shape[0], x.shape.last()];
    let pixels = x.shape.elements() / (batch * channels);
    let size = channels / groups;
    let grouped = [batch, 1, groups, size];
    let x = x.view([batch, pixels, channels]);
    // Per channel first, then per group: both run along memory. Two passes, because squares less a squared mean
    // cancel when the mean is large, as it is in the VAE.
    let mean = x.clone().mean_dim(1).reshape(grouped).mean_dim(3);
    let mean = mean.expand(grouped).reshape([batch, 1, channels]);
    let centred = x - mean;
    let variance = centred
        .clone()
        .square()
        .mean_dim(1)
        .reshape(grouped)
        .mean_dim(3);
    let scale = (variance + eps)
        .sqrt()
        .recip()
        .expand(grouped)
        .reshape([batch, 1, channels]);
    let scale = scale * gamma.view([1, 1, channels]);
    flatten(centred * scale + beta.view([1, 1, channels]))
}

pub(super) fn layer_norm(x: &Operand, gamma: &Operand, beta: &Operand, eps: f32) -> Flat {
    let [gamma, beta] = [gamma, beta].map(|row| row.flat.clone());
    flatten(module::layer_norm(
        x.rows(),
        gamma,
        Some(beta),
        f64::from(eps),
    ))
}

pub(super) fn geglu(x: &Operand) -> Flat {
    let half = x.shape.last() / 2;
    let value = x.rows().slice(s![.., ..half]);
    let gate = x.rows().slice(s![.., half..]);
    flatten(activation::gelu(gate) * value)
}
