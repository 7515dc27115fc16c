//! Matrix products, convolutions, normalisations, attention.

use guidestar::tensor::Conv;

use super::super::Host;
use super::math::{gelu, softmax_row};

pub fn matmul(x: &Host, w: &Host, bias: Option<&Host>, transposed: bool) -> Host {
    let rank = w.shape.rank();
    let [rows, columns] = [w.shape[rank - 2], w.shape[rank - 1]];
    let [inner, outer] = if transposed {
        [columns, rows]
    } else {
        [rows, columns]
    };
    let matrices = w.shape.elements() / (inner * outer);
    let rows_each = x.shape.rows() / matrices;
    let mut data = Vec::new();
    for row in 0..x.shape.rows() {
        let matrix = &w.data[row / rows_each * inner * outer..];
        for column in 0..outer {
            let product: f64 = (0..inner)
                .map(|k| {
                    let at = if transposed {
                        column * inner + k
                    } else {
                        k * outer + column
                    };
                    x.data[row * inner + k] * matrix[at]
                })
                .sum();
            data.push(product + bias.map_or(0.0, |bias| bias.data[column]));
        }
    }
    Host {
        shape: x.shape.with_last(outer),
        data,
    }
}

pub fn conv2d(x: &Host, weight: &Host, bias: Option<&Host>, conv: Conv) -> Host {
    let [batch, h, w, channels] = x.dims();
    let [kh, kw, inner, outer] = weight.dims();
    let [top, bottom, left, right] = conv.pad;
    let extent = |size: usize, kernel: usize, axis: usize| {
        (size - conv.dilation[axis] * (kernel - 1) - 1) / conv.stride[axis] + 1
    };
    let tall = extent(h + top + bottom, kh, 0);
    let wide = extent(w + left + right, kw, 1);
    let outer_each = outer / conv.groups;
    Host::build([batch, tall, wide, outer], |index| {
        let [b, i, j, o] = [index[0], index[1], index[2], index[3]];
        let group = o / outer_each;
        let mut sum = bias.map_or(0.0, |bias| bias.data[o]);
        for dy in 0..kh {
            for dx in 0..kw {
                // Outside the picture the subtraction wraps around, or the sum is past its end.
                let row = (i * conv.stride[0] + dy * conv.dilation[0]).wrapping_sub(top);
                let column = (j * conv.stride[1] + dx * conv.dilation[1]).wrapping_sub(left);
                if row >= h || column >= w {
                    continue;
                }
                let pixel = ((b * h + row) * w + column) * channels + group * inner;
                let tap = (dy * kw + dx) * inner;
                for c in 0..inner {
                    sum += x.data[pixel + c] * weight.data[(tap + c) * outer + o];
                }
            }
        }
        sum
    })
}

pub fn group_norm(x: &Host, gamma: &Host, beta: &Host, groups: usize, eps: f64) -> Host {
    let [batch, channels] = [x.shape[0], x.shape.last()];
    let size = channels / groups;
    let mut data = x.data.clone();
    for row in data.chunks_mut(x.data.len() / batch) {
        for group in 0..groups {
            let members: Vec<usize> = (0..row.len())
                .filter(|at| at % channels / size == group)
                .collect();
            let elements: Vec<f64> = members.iter().map(|&at| row[at]).collect();
            for (at, y) in members.into_iter().zip(normalised(&elements, eps)) {
                row[at] = y * gamma.data[at % channels] + beta.data[at % channels];
            }
        }
    }
    Host {
        shape: x.shape.clone(),
        data,
    }
}

/// `(x - mean) / sqrt(variance + eps)`, the variance that of the elements themselves (divided by their number).
fn normalised(elements: &[f64], eps: f64) -> Vec<f64> {
    let count = elements.len() as f64;
    let mean = elements.iter().sum::<f64>() / count;
    let variance = elements.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    elements
        .iter()
        .map(|x| (x - mean) / (variance + eps).sqrt())
        .collect()
}

pub fn layer_norm(x: &Host, gamma: &Host, beta: &Host, eps: f64) -> Host {
    let affine = |(c, y): (usize, f64)| y * gamma.data[c] + beta.data[c];
    let rows = x.data.chunks(x.shape.last());
    let data = rows
        .flat_map(|row| normalised(row, eps).into_iter().enumerate().map(affine))
        .collect();
    Host {
        shape: x.shape.clone(),
        data,
    }
}

pub fn geglu(x: &Host) -> Host {
    let half = x.shape.last() / 2;
    Host::build(x.shape.with_last(half), |index| {
        let mut gate = index.to_vec();
        gate[index.len() - 1] += half;
        x.at(index) * gelu(x.at(&gate))
    })
}

pub fn attention_probs(q: &Host, k: &Host, heads: usize, scale: f64, causal: bool) -> Host {
    let [batch, queries, channels] = q.dims();
    let [_, keys, _] = k.dims();
    let size = channels / heads;
    let mut data = Vec::new();
    for b in 0..batch {
        for head in 0..heads {
            for i in 0..queries {
                let query = &q.data[(b * queries + i) * channels + head * size..][..size];
                let scores: Vec<f64> = (0..keys)
                    .map(|j| {
                        if causal && j > i {
                            return f64::NEG_INFINITY;
                        }
                        let key = &k.data[(b * keys + j) * channels + head * size..][..size];
                        scale * query.iter().zip(key).map(|(x, y)| x * y).sum::<f64>()
                    })
                    .collect();
                data.extend(softmax_row(&scores));
            }
        }
    }
    Host {
        shape: [batch, heads, queries, keys].into(),
        data,
    }
}

pub fn attention_apply(probs: &Host, v: &Host) -> Host {
    let [batch, heads, queries, keys] = probs.dims();
    let [_, _, channels] = v.dims();
    let size = channels / heads;
    Host::build([batch, queries, channels], |index| {
        let [b, i, c] = [index[0], index[1], index[2]];
        let row = ((b * heads + c / size) * queries + i) * keys;
        (0..keys)
            .map(|j| probs.data[row + j] * v.data[(b * keys + j) * channels + c])
            .sum()
    })
}
