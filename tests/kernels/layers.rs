//! Matrix products, convolutions, normalisations and attention.

use guidestar::{
    engine::op::{Op, Scalar},
    tensor::Conv,
};

use crate::{
    Case, judge,
    support::{Draw, Generator},
};

fn matmul(transposed: bool, x: &[usize], w: &[usize], bias: bool) -> Case {
    let op = Op::Matmul { transposed, bias };
    let columns = w[w.len() - if transposed { 2 } else { 1 }];
    if bias {
        Case::new(op, [x, w, &[columns]])
    } else {
        Case::new(op, [x, w])
    }
}

#[test]
fn products_of_drawn_sizes_match() {
    let mut generator = Generator::new(5);
    let cases = (0..24).map(|turn| {
        let [batch, rows, inner, columns] = [(); 4].map(|()| generator.extent());
        let transposed = turn % 2 == 1;
        let mut matrix = [inner, columns];
        if transposed {
            matrix.reverse();
        }
        let x = [batch, rows, inner];
        if turn % 3 == 2 {
            matmul(transposed, &x, &[batch, matrix[0], matrix[1]], false)
        } else {
            matmul(transposed, &x, &matrix, turn % 3 == 1)
        }
    });
    judge(cases.collect::<Vec<_>>());
}

#[test]
fn products_of_model_sizes_match() {
    judge([
        matmul(false, &[2, 256, 320], &[320, 160], true),
        matmul(false, &[2, 77, 64], &[64, 256], true),
        matmul(false, &[1, 1280], &[1280, 320], true),
        matmul(false, &[2, 16, 16, 64], &[64, 33], true),
        matmul(true, &[77, 64], &[99, 64], false),
        matmul(true, &[2, 4, 65, 40], &[2, 4, 77, 40], false),
        matmul(false, &[2, 4, 65, 77], &[2, 4, 77, 40], false),
        matmul(false, &[1, 2049], &[2049, 3], false),
    ]);
}

fn conv(geometry: Conv, x: [usize; 4], kernel: [usize; 2], outer: usize, bias: bool) -> Case {
    let weight = [kernel[0], kernel[1], x[3] / geometry.groups, outer];
    let op = Op::Conv2d {
        conv: geometry,
        bias,
    };
    if bias {
        Case::new(op, [&x, &weight, &[outer]])
    } else {
        Case::new(op, [&x, &weight])
    }
}

#[test]
fn convolutions_of_model_sizes_match() {
    let down = Conv {
        stride: [2, 2],
        ..Conv::padded(1)
    };
    let down_vae = Conv {
        pad: [0, 1, 0, 1],
        ..down
    };
    let patch = Conv {
        stride: [7, 7],
        ..Conv::padded(0)
    };
    judge([
        conv(Conv::padded(1), [2, 16, 16, 4], [3, 3], 32, true),
        conv(Conv::padded(1), [2, 8, 8, 64], [3, 3], 64, true),
        conv(Conv::padded(1), [1, 16, 16, 32], [3, 3], 4, true),
        conv(Conv::padded(1), [1, 12, 20, 3], [3, 3], 16, true),
        conv(Conv::padded(0), [2, 8, 8, 96], [1, 1], 32, true),
        conv(Conv::padded(0), [1, 16, 16, 4], [1, 1], 4, true),
        conv(down, [2, 16, 16, 32], [3, 3], 32, true),
        conv(down_vae, [1, 16, 16, 32], [3, 3], 32, true),
        conv(patch, [1, 28, 28, 3], [7, 7], 64, false),
    ]);
}

#[test]
fn convolutions_of_every_geometry_match() {
    let base = Conv::padded(1);
    let grouped = |groups: usize| Conv { groups, ..base };
    let dilated = |step: usize| Conv {
        dilation: [step, step],
        ..Conv::padded(step)
    };
    let uneven = Conv {
        stride: [1, 2],
        pad: [2, 0, 1, 3],
        dilation: [2, 1],
        groups: 1,
    };
    let strided_depthwise = Conv {
        stride: [2, 2],
        ..grouped(12)
    };
    judge([
        conv(base, [1, 1, 1, 1], [3, 3], 1, true),
        conv(base, [1, 5, 7, 3], [3, 3], 5, false),
        conv(Conv::padded(0), [1, 3, 3, 4], [3, 3], 8, true),
        conv(Conv::padded(2), [1, 9, 4, 5], [5, 5], 7, true),
        conv(Conv::padded(3), [1, 13, 13, 1], [7, 7], 2, false),
        conv(Conv::padded(0), [2, 5, 6, 7], [1, 3], 3, true),
        conv(dilated(2), [1, 9, 9, 4], [3, 3], 4, true),
        conv(dilated(3), [1, 11, 8, 3], [3, 3], 6, false),
        conv(uneven, [2, 9, 10, 3], [3, 2], 5, true),
        conv(grouped(2), [2, 6, 6, 8], [3, 3], 4, true),
        conv(grouped(3), [1, 5, 5, 9], [3, 3], 6, false),
        conv(grouped(12), [2, 7, 7, 12], [3, 3], 12, true),
        conv(grouped(5), [1, 6, 6, 5], [3, 3], 10, true),
        conv(strided_depthwise, [1, 9, 9, 12], [3, 3], 12, true),
        conv(
            Conv {
                groups: 4,
                ..Conv::padded(0)
            },
            [1, 21, 21, 4],
            [9, 9],
            4,
            false,
        ),
    ]);
}

#[test]
fn group_norms_match() {
    let norm = |shape: &[usize], groups: usize, draw: Draw| {
        let op = Op::GroupNorm {
            groups,
            eps: Scalar(1e-5),
        };
        let channels = &shape[shape.len() - 1..];
        Case::drawn(op, draw, [shape, channels, channels])
    };
    judge([
        norm(&[1, 8, 8, 32], 32, Draw::Any),
        norm(&[2, 8, 8, 64], 32, Draw::Any),
        norm(&[2, 5, 7, 320], 32, Draw::Any),
        norm(&[2, 33, 96], 32, Draw::Any),
        norm(&[1, 3, 3, 15], 5, Draw::Any),
        norm(&[3, 4, 14], 2, Draw::Any),
        norm(&[2, 6, 6, 7], 1, Draw::Any),
        norm(&[1, 64, 64, 32], 4, Draw::Any),
        norm(&[2, 16, 16, 64], 32, Draw::Far),
    ]);
}

#[test]
fn layer_norms_match() {
    let norm = |shape: &[usize], draw: Draw| {
        let op = Op::LayerNorm { eps: Scalar(1e-5) };
        let channels = &shape[shape.len() - 1..];
        Case::drawn(op, draw, [shape, channels, channels])
    };
    judge([
        norm(&[1, 2], Draw::Any),
        norm(&[5, 7], Draw::Any),
        norm(&[2, 77, 64], Draw::Any),
        norm(&[2, 64, 320], Draw::Any),
        norm(&[1, 3, 1280], Draw::Any),
        norm(&[2, 4, 4, 33], Draw::Any),
        norm(&[2, 16, 320], Draw::Far),
    ]);
}

#[test]
fn geglu_matches() {
    let shapes: [&[usize]; 5] = [&[1, 2], &[3, 10], &[2, 5, 26], &[2, 64, 256], &[1, 7, 2560]];
    judge(shapes.map(|shape| Case::drawn(Op::Geglu, Draw::Wide, [shape])));
}

/// `[batch, queries, keys, heads, head size]`
const ATTENTIONS: [[usize; 5]; 12] = [
    [1, 1, 1, 1, 4],
    [1, 5, 1, 2, 8],
    [2, 1, 7, 3, 4],
    [2, 64, 64, 8, 8],
    [2, 64, 77, 8, 40],
    [1, 256, 256, 2, 40],
    [1, 77, 77, 4, 64],
    [2, 17, 13, 2, 80],
    [1, 300, 300, 2, 160],
    [1, 31, 127, 1, 5],
    [1, 16, 257, 2, 32],
    [1, 4, 3, 1, 512],
];

fn scale(size: usize) -> Scalar {
    Scalar((1.0 / (size as f64).sqrt()) as f32)
}

#[test]
fn attention_matches() {
    judge(ATTENTIONS.map(|[batch, queries, keys, heads, size]| {
        let op = Op::Attention {
            heads,
            scale: scale(size),
            causal: false,
        };
        let [q, k] = [queries, keys].map(|tokens| [batch, tokens, heads * size]);
        Case::new(op, [&q, &k, &k])
    }));
}

#[test]
fn causal_attention_matches() {
    judge(ATTENTIONS.map(|[batch, queries, keys, heads, size]| {
        let op = Op::Attention {
            heads,
            scale: scale(size),
            causal: true,
        };
        let [q, k] = [queries, keys].map(|tokens| [batch, tokens, heads * size]);
        Case::new(op, [&q, &k, &k])
    }));
}

#[test]
fn attention_of_many_keys_matches() {
    let op = Op::Attention {
        heads: 1,
        scale: Scalar(1.0),
        causal: false,
    };
    judge([
        Case::new(op.clone(), [&[1, 64, 40], &[1, 4097, 40], &[1, 4097, 40]]),
        Case::new(op, [&[1, 600, 8], &[1, 600, 8], &[1, 600, 8]]),
    ]);
}

#[test]
fn attention_in_halves_matches() {
    for causal in [false, true] {
        judge(ATTENTIONS.map(|[batch, queries, keys, heads, size]| {
            let op = Op::AttentionProbs {
                heads,
                scale: scale(size),
                causal,
            };
            let [q, k] = [queries, keys].map(|tokens| [batch, tokens, heads * size]);
            Case::new(op, [&q, &k])
        }));
    }
    judge(ATTENTIONS.map(|[batch, queries, keys, heads, size]| {
        let probs = [batch, heads, queries, keys];
        let v = [batch, keys, heads * size];
        Case::drawn(Op::AttentionApply, Draw::Positive, [&probs, &v])
    }));
}
