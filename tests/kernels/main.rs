//! Every operation on every device yields what its plain reference yields.
//!
//! Sizes are drawn (1, odd, prime, multiples of 4) from a fixed seed and joined by small forms of the models' own; a
//! case prints itself when it fails.

mod layers;
mod layout;
mod math;
mod pictures;
#[path = "../support/operations/mod.rs"]
mod support;

use guidestar::{
    engine::op::Op,
    tensor::{Conv, Shape},
};
use support::{Draw, Generator, Host, assert_close, call, native::devices, reference};

/// One operation on drawn numbers of these shapes.
#[derive(Debug)]
struct Case {
    op: Op,
    shapes: Vec<Shape>,
    draw: Draw,
}

impl Case {
    fn new<const COUNT: usize>(op: Op, shapes: [&[usize]; COUNT]) -> Self {
        Self::drawn(op, Draw::Any, shapes)
    }

    fn drawn<const COUNT: usize>(op: Op, draw: Draw, shapes: [&[usize]; COUNT]) -> Self {
        let shapes = shapes.into_iter().map(Shape::from).collect();
        Self { op, shapes, draw }
    }
}

/// Judges each device by each case. The first tensor is an input of the step, the others are weights.
fn judge(cases: impl IntoIterator<Item = Case>) {
    let devices = devices();
    let mut generator = Generator::new(1);
    for case in cases {
        let inputs: Vec<_> = case
            .shapes
            .iter()
            .map(|shape| generator.host(shape, case.draw))
            .collect();
        let wanted = reference(&case.op, &inputs);
        for (name, device, limit) in &devices {
            let mut tensors: Vec<_> = inputs.iter().map(|x| x.constant(device)).collect();
            tensors[0] = inputs[0].input(device);
            let found = Host::read(&call(&case.op, &tensors));
            assert_close(&found, &wanted, *limit, &format!("{name}: {case:?}"));
        }
    }
}

/// Shapes of ranks 1 to 4 of drawn extents.
fn drawn_shapes(seed: u64) -> Vec<Vec<usize>> {
    let mut generator = Generator::new(seed);
    (0..12)
        .map(|turn| (0..=turn % 4).map(|_| generator.extent()).collect())
        .collect()
}

#[test]
fn operations_give_the_same_bytes_twice() {
    let conv = Op::Conv2d {
        conv: Conv::padded(1),
        bias: false,
    };
    for (name, device, _) in devices() {
        let mut generator = Generator::new(4);
        let x = generator.host(&[2, 24, 24, 32].into(), Draw::Any);
        let weight = generator.host(&[3, 3, 32, 32].into(), Draw::Any);
        let [first, second] = [(); 2].map(|()| {
            let y = call(&conv, &[x.input(&device), weight.constant(&device)]);
            let tokens = y.reshape([2, 576, 32]);
            let attended = tokens.attention(&tokens, &tokens, 2, 0.01, false);
            pollster::block_on(attended.softmax().sum(&[1]).read()).unwrap()
        });
        assert_eq!(first, second, "{name}");
    }
}
