//! Element-wise operations, comparisons and reductions.

use guidestar::engine::op::{Binary, Op, Reduction, Scalar, Unary};

use crate::{
    Case, drawn_shapes, judge,
    support::{Draw, native::devices},
};

#[test]
fn unary_functions_match() {
    let [low, high] = [Scalar(-0.75), Scalar(1.25)];
    let anywhere = [
        Unary::Neg,
        Unary::Abs,
        Unary::Square,
        Unary::Sin,
        Unary::Cos,
        Unary::Tanh,
        Unary::Erf,
        Unary::Sigmoid,
        Unary::Silu,
        Unary::GeluErf,
        Unary::GeluTanh,
        Unary::QuickGelu,
        Unary::Relu,
        Unary::HardSigmoid,
        Unary::HardSwish,
        Unary::LeakyRelu(Scalar(0.1)),
        Unary::Clamp(low, high),
        Unary::Affine {
            scale: low,
            shift: high,
        },
    ];
    let positive = [Unary::Sqrt, Unary::Recip, Unary::Log];
    let cases = |function: Unary, draw: Draw| {
        drawn_shapes(2)
            .into_iter()
            .map(move |shape| Case::drawn(Op::Unary(function), draw, [&shape]))
    };
    judge(positive.iter().flat_map(|&f| cases(f, Draw::Positive)));
    judge(cases(Unary::Exp, Draw::Any));
    judge(anywhere.iter().flat_map(|&f| cases(f, Draw::Any)));
    // Far out some functions are all but 0: many elements, so that one of size is among them.
    let wide: [&[usize]; 1] = [&[3, 101]];
    judge(anywhere.map(|function| Case::drawn(Op::Unary(function), Draw::Wide, wide)));
    judge(anywhere.map(|function| Case::drawn(Op::Slope(function), Draw::Wide, [wide[0]; 2])));
    let near = |(function, draw)| Case::drawn(Op::Slope(function), draw, [&[5, 6], &[5, 6]]);
    judge(anywhere.map(|function| near((function, Draw::Digit))));
    judge(positive.map(|function| near((function, Draw::Positive))));
    judge([near((Unary::Exp, Draw::Any))]);
}

#[test]
fn a_tensor_after_another_is_itself() {
    judge([
        Case::new(Op::After, [&[3, 5], &[2, 4, 4, 8]]),
        Case::new(Op::After, [&[2, 4, 4, 8], &[1]]),
    ]);
}

#[test]
fn floor_matches() {
    // Numbers that f16 holds exactly: a rounded one could fall below a step.
    let x: Vec<f32> = (-13..14).map(|quarters| quarters as f32 / 4.0).collect();
    let wanted: Vec<f32> = x.iter().map(|x| x.floor()).collect();
    for (name, device, _) in devices() {
        let floor = device.tensor([3, 9], x.clone()).unary(Unary::Floor);
        let found = pollster::block_on(floor.read()).unwrap();
        assert_eq!(found, wanted, "{name}");
    }
}

const BINARY: [Binary; 10] = [
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Div,
    Binary::Min,
    Binary::Max,
    Binary::Greater,
    Binary::GreaterEqual,
    Binary::Equal,
    Binary::Mix(Scalar(0.3), Scalar(-1.7)),
];

fn binary_draw(function: Binary) -> Draw {
    match function {
        Binary::Div => Draw::Positive,
        Binary::Greater | Binary::GreaterEqual | Binary::Equal => Draw::Digit,
        _ => Draw::Any,
    }
}

#[test]
fn binary_functions_match() {
    judge(BINARY.iter().flat_map(|&function| {
        drawn_shapes(3).into_iter().map(move |shape| {
            Case::drawn(
                Op::Binary(function),
                binary_draw(function),
                [&shape, &shape],
            )
        })
    }));
}

#[test]
fn binary_functions_repeat_axes_of_extent_1() {
    let pairs: [[&[usize]; 2]; 8] = [
        [&[2, 4, 5, 16], &[1, 1, 1, 16]],
        [&[2, 4, 5, 16], &[2, 1, 1, 16]],
        [&[2, 4, 5, 3], &[2, 4, 5, 1]],
        [&[2, 4, 5, 1], &[1, 1, 5, 7]],
        [&[3, 1, 8], &[1, 5, 1]],
        [&[1, 1, 1, 1], &[2, 3, 4, 5]],
        [&[1], &[13]],
        [&[2, 8, 1, 1, 3], &[1, 8, 4, 5, 3]],
    ];
    judge(BINARY.iter().flat_map(|&function| {
        pairs
            .into_iter()
            .map(move |shapes| Case::drawn(Op::Binary(function), binary_draw(function), shapes))
    }));
}

#[test]
fn select_matches() {
    let triples: [[&[usize]; 3]; 4] = [
        [&[13], &[13], &[13]],
        [&[2, 6, 6, 4], &[2, 6, 6, 4], &[2, 6, 6, 4]],
        [&[1, 6, 6, 1], &[2, 6, 6, 4], &[2, 6, 6, 4]],
        [&[2, 1, 3], &[1, 5, 3], &[1, 1, 1]],
    ];
    judge(triples.map(|shapes| Case::drawn(Op::Select, Draw::Digit, shapes)));
}

#[test]
fn reductions_match() {
    let over: [(&[usize], &[usize]); 10] = [
        (&[1], &[0]),
        (&[301], &[0]),
        (&[5, 1024], &[1]),
        (&[1024, 5], &[0]),
        (&[3, 7, 5], &[0, 2]),
        (&[2, 8, 9, 12], &[1, 2]),
        (&[2, 8, 9, 12], &[3]),
        (&[2, 8, 9, 12], &[1, 2, 3]),
        (&[2, 8, 9, 12], &[0, 1, 2, 3]),
        (&[2, 3, 64, 64], &[1, 2]),
    ];
    let reductions = [
        Reduction::Sum,
        Reduction::Mean,
        Reduction::Max,
        Reduction::Min,
    ];
    judge(reductions.into_iter().flat_map(|reduction| {
        over.into_iter().map(move |(shape, axes)| {
            let op = Op::Reduce(reduction, axes.to_vec());
            Case::drawn(op, Draw::Positive, [shape])
        })
    }));
}

#[test]
fn softmax_matches() {
    let shapes: [&[usize]; 6] = [&[1], &[7], &[5, 1], &[3, 77], &[2, 4, 3, 256], &[2, 1025]];
    judge(shapes.map(|shape| Case::drawn(Op::Softmax, Draw::Wide, [shape])));
}
