//! One operation at a time.

use guidestar::{
    engine::op::{Binary, Op, Reduction, Rows, Scalar, Unary},
    tensor::{Conv, Interpolation, PadMode, Pooling},
};

use crate::{
    Case,
    support::{Draw, Generator, Host},
};

/// Judges an operation on drawn numbers of these shapes, by the first `wrt` operands.
fn judge(op: Op, draw: Draw, shapes: &[&[usize]], wrt: usize) {
    let mut generator = Generator::new(11);
    let inputs = shapes
        .iter()
        .map(|&shape| generator.host(&shape.into(), draw))
        .collect();
    let case = Case {
        op,
        inputs,
        wrt: (0..wrt).collect(),
    };
    case.judge();
}

/// Numbers of which no two are equal, in a drawn order: where a maximum is looked for a difference must not change it.
fn distinct(shape: &[usize], seed: u64) -> Host {
    let mut generator = Generator::new(seed);
    let count: usize = shape.iter().product();
    let mut order: Vec<usize> = (0..count).collect();
    for at in (1..count).rev() {
        order.swap(at, generator.below(at + 1));
    }
    let mut numbers = order.into_iter();
    Host::build(shape, |_| {
        numbers.next().unwrap_or_default() as f64 / 64.0 - 1.0
    })
}

/// Drawn numbers moved off the places where functions bend.
fn between(shape: &[usize], seed: u64) -> Host {
    let mut host = Generator::new(seed).host(&shape.into(), Draw::Any);
    host.data.iter_mut().for_each(|x| *x += 1.0 / 256.0);
    host
}

#[test]
fn functions_of_one_element() {
    let bent = [
        Unary::Abs,
        Unary::Relu,
        Unary::HardSigmoid,
        Unary::HardSwish,
        Unary::LeakyRelu(Scalar(0.1)),
        Unary::Clamp(Scalar(-0.75), Scalar(1.25)),
    ];
    for function in bent {
        let inputs = vec![between(&[3, 10], 5)];
        let op = Op::Unary(function);
        let wrt = vec![0];
        Case { op, inputs, wrt }.judge();
    }
    let smooth = [
        Unary::Neg,
        Unary::Square,
        Unary::Exp,
        Unary::Sin,
        Unary::Cos,
        Unary::Tanh,
        Unary::Erf,
        Unary::Sigmoid,
        Unary::Silu,
        Unary::GeluErf,
        Unary::GeluTanh,
        Unary::QuickGelu,
        Unary::Affine {
            scale: Scalar(-0.75),
            shift: Scalar(2.0),
        },
    ];
    for function in smooth {
        judge(Op::Unary(function), Draw::Any, &[&[3, 10]], 1);
    }
    for function in [Unary::Sqrt, Unary::Recip, Unary::Log] {
        judge(Op::Unary(function), Draw::Positive, &[&[3, 10]], 1);
    }
}

#[test]
fn functions_of_two_elements() {
    let pairs: [[&[usize]; 2]; 3] = [[&[3, 5], &[3, 5]], [&[2, 3, 4], &[1, 3, 1]], [&[1], &[7]]];
    for shapes in pairs {
        for function in [
            Binary::Add,
            Binary::Sub,
            Binary::Mul,
            Binary::Mix(Scalar(0.3), Scalar(-1.7)),
        ] {
            judge(Op::Binary(function), Draw::Any, &shapes, 2);
        }
        judge(Op::Binary(Binary::Div), Draw::Positive, &shapes, 2);
        for function in [Binary::Min, Binary::Max] {
            let any = Generator::new(3).host(&shapes[0].into(), Draw::Any);
            let inputs = vec![any, between(shapes[1], 4)];
            let op = Op::Binary(function);
            let wrt = vec![0, 1];
            Case { op, inputs, wrt }.judge();
        }
    }
}

#[test]
fn a_choice_passes_gradients_to_what_was_chosen() {
    let mut generator = Generator::new(6);
    let mask = generator.host(&[2, 1, 5].into(), Draw::Digit);
    let [x, y] = [(); 2].map(|()| generator.host(&[2, 3, 5].into(), Draw::Any));
    Case {
        op: Op::Select,
        inputs: vec![mask, x, y],
        wrt: vec![1, 2],
    }
    .judge();
}

#[test]
fn reductions_and_softmax() {
    for (shape, axes) in [
        (&[6][..], vec![0]),
        (&[3, 7], vec![1]),
        (&[2, 3, 5], vec![0, 2]),
        (&[2, 3, 2, 4], vec![1, 2]),
    ] {
        for reduction in [Reduction::Sum, Reduction::Mean] {
            let op = Op::Reduce(reduction, axes.clone());
            judge(op, Draw::Any, &[shape], 1);
        }
        for reduction in [Reduction::Max, Reduction::Min] {
            let op = Op::Reduce(reduction, axes.clone());
            let inputs = vec![distinct(shape, 8)];
            let wrt = vec![0];
            Case { op, inputs, wrt }.judge();
        }
    }
    judge(Op::Softmax, Draw::Any, &[&[3, 7]], 1);
    judge(Op::Softmax, Draw::Any, &[&[2, 2, 8]], 1);
}

#[test]
fn moved_elements() {
    let shape: &[usize] = &[2, 3, 4, 5];
    judge(Op::Reshape([6, 20].into()), Draw::Any, &[shape], 1);
    judge(Op::Permute(vec![2, 0, 3, 1]), Draw::Any, &[shape], 1);
    judge(Op::Expand([3, 4, 5].into()), Draw::Any, &[&[1, 4, 1]], 1);
    judge(
        Op::Concat(1),
        Draw::Any,
        &[&[2, 3, 2], &[2, 1, 2], &[2, 2, 2]],
        3,
    );
    judge(Op::Concat(2), Draw::Any, &[&[2, 2, 3], &[2, 2, 5]], 2);
    let rows = Op::Gather(Rows([4, 0, 4, 2].into()));
    judge(rows, Draw::Any, &[&[5, 3]], 1);
    for (starts, steps, extents) in [
        ([1, 0, 0, 0], [1, 1, 1, 1], [1, 3, 4, 5]),
        ([0, 1, 1, 2], [1, 2, 2, 1], [2, 1, 2, 2]),
        ([0, 0, 0, 1], [1, 1, 3, 2], [2, 3, 2, 2]),
    ] {
        let op = Op::Slice {
            starts: starts.to_vec(),
            steps: steps.to_vec(),
            shape: extents.into(),
        };
        judge(op, Draw::Any, &[shape], 1);
    }
    for mode in [PadMode::Zero, PadMode::Reflect, PadMode::Edge] {
        let op = Op::Pad {
            before: vec![0, 2, 1, 0],
            after: vec![0, 1, 3, 2],
            mode,
        };
        judge(op, Draw::Any, &[shape], 1);
    }
}

#[test]
fn matrix_products() {
    for (transposed, w) in [(false, [6, 5]), (true, [5, 6])] {
        let op = |bias| Op::Matmul { transposed, bias };
        judge(op(true), Draw::Any, &[&[2, 3, 6], &w, &[5]], 3);
        judge(op(false), Draw::Any, &[&[4, 6], &w], 2);
        let batched = [2, w[0], w[1]];
        judge(op(false), Draw::Any, &[&[2, 3, 6], &batched], 2);
    }
}

#[test]
fn convolutions() {
    let cases: [(Conv, &[usize], &[usize]); 9] = [
        (Conv::padded(1), &[2, 4, 5, 3], &[3, 3, 3, 4]),
        (Conv::padded(0), &[1, 4, 4, 4], &[3, 2, 4, 4]),
        (Conv::padded(0), &[1, 3, 3, 5], &[1, 1, 5, 2]),
        // More padding than the kernel reaches.
        (Conv::padded(2), &[1, 3, 3, 2], &[2, 2, 2, 3]),
        (
            Conv {
                stride: [2, 2],
                ..Conv::padded(1)
            },
            &[1, 6, 5, 4],
            &[3, 3, 4, 4],
        ),
        // The autoencoder's halving, and an even size that the last window does not reach the end of.
        (
            Conv {
                stride: [2, 2],
                pad: [0, 1, 0, 1],
                ..Conv::padded(0)
            },
            &[1, 4, 6, 3],
            &[3, 3, 3, 3],
        ),
        (
            Conv {
                stride: [3, 2],
                ..Conv::padded(0)
            },
            &[1, 7, 6, 2],
            &[2, 3, 2, 2],
        ),
        (
            Conv {
                dilation: [2, 2],
                ..Conv::padded(2)
            },
            &[1, 5, 5, 2],
            &[3, 3, 2, 3],
        ),
        (
            Conv {
                groups: 2,
                stride: [2, 1],
                ..Conv::padded(1)
            },
            &[1, 5, 4, 8],
            &[3, 3, 4, 8],
        ),
    ];
    for (conv, x, weight) in cases {
        let bias = [weight[3]];
        let op = Op::Conv2d { conv, bias: true };
        judge(op, Draw::Any, &[x, weight, &bias], 1);
    }
    let depthwise = Op::Conv2d {
        conv: Conv {
            groups: 5,
            ..Conv::padded(1)
        },
        bias: false,
    };
    judge(depthwise, Draw::Any, &[&[2, 4, 4, 5], &[3, 3, 1, 5]], 1);
}

#[test]
fn norms_and_geglu() {
    for (shape, groups) in [
        (&[2, 3, 4, 8][..], 4),
        (&[1, 5, 6], 2),
        (&[2, 2, 3, 5], 1),
        (&[1, 2, 2, 12], 4),
    ] {
        let channels = [shape[shape.len() - 1]];
        let op = Op::GroupNorm {
            groups,
            eps: Scalar(1e-5),
        };
        judge(op, Draw::Any, &[shape, &channels, &channels], 1);
    }
    for shape in [&[3, 8][..], &[2, 3, 5], &[1, 2, 2, 16]] {
        let channels = [shape[shape.len() - 1]];
        let op = Op::LayerNorm { eps: Scalar(1e-5) };
        judge(op, Draw::Any, &[shape, &channels, &channels], 1);
    }
    judge(Op::Geglu, Draw::Any, &[&[3, 8]], 1);
    judge(Op::Geglu, Draw::Any, &[&[2, 2, 10]], 1);
}

#[test]
fn attention_whole_and_in_halves() {
    for ([batch, queries, keys, heads, size], causal) in [
        ([1, 3, 4, 1, 4], false),
        ([2, 4, 5, 2, 4], false),
        ([1, 5, 5, 2, 4], true),
        ([1, 2, 3, 1, 6], false),
    ] {
        let q: &[usize] = &[batch, queries, heads * size];
        let k: &[usize] = &[batch, keys, heads * size];
        let scale = Scalar(0.6);
        let attention = Op::Attention {
            heads,
            scale,
            causal,
        };
        judge(attention, Draw::Any, &[q, k, k], 3);
        let probs = Op::AttentionProbs {
            heads,
            scale,
            causal,
        };
        judge(probs, Draw::Any, &[q, k], 2);
        let p: &[usize] = &[batch, heads, queries, keys];
        judge(Op::AttentionApply, Draw::Positive, &[p, k], 2);
    }
}

#[test]
fn resampled_pictures() {
    for (from, size) in [([4, 4], [8, 8]), ([3, 5], [4, 7]), ([6, 5], [3, 4])] {
        for (interpolation, antialias) in [
            (Interpolation::Nearest, false),
            (Interpolation::Bilinear, false),
            (Interpolation::Bilinear, true),
            (Interpolation::Bicubic, false),
            (Interpolation::Bicubic, true),
        ] {
            let op = Op::Resize {
                size,
                interpolation,
                antialias,
            };
            judge(op, Draw::Any, &[&[1, from[0], from[1], 3]], 1);
        }
    }
}

#[test]
fn pooled_pictures() {
    for (kernel, stride, pad, shape) in [
        ([2, 2], [2, 2], [0; 4], [2, 4, 4, 4]),
        ([3, 3], [2, 2], [1; 4], [1, 5, 6, 3]),
        ([3, 2], [1, 2], [1, 0, 0, 1], [1, 5, 4, 2]),
        ([2, 2], [2, 2], [0; 4], [1, 5, 5, 2]),
    ] {
        let op = |pooling| Op::Pool {
            pooling,
            kernel,
            stride,
            pad,
        };
        judge(op(Pooling::Mean), Draw::Any, &[&shape], 1);
        Case {
            op: op(Pooling::Max),
            inputs: vec![distinct(&shape, 9)],
            wrt: vec![0],
        }
        .judge();
    }
}
