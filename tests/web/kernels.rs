//! The kernels that models spend their time in, and one of each other kind, against their plain references.

use guidestar::{
    engine::op::{Op, Reduction, Scalar, Unary},
    tensor::{Conv, Interpolation, Shape},
};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::{
    devices,
    support::{Draw, Generator, Host, assert_close, call, reference},
};

/// Judges an operation on tensors of these shapes: an input of the step, and weights.
async fn judge<const COUNT: usize>(op: Op, shapes: [&[usize]; COUNT]) {
    let mut generator = Generator::new(1);
    let inputs = shapes.map(|shape| generator.host(&Shape::from(shape), Draw::Any));
    let wanted = reference(&op, &inputs);
    for (name, device, limit) in devices().await {
        let mut tensors: Vec<_> = inputs.iter().map(|x| x.constant(&device)).collect();
        tensors[0] = inputs[0].input(&device);
        let found = Host::fetch(&call(&op, &tensors)).await;
        assert_close(&found, &wanted, limit, &format!("{name}: {op:?}"));
    }
}

#[wasm_bindgen_test]
async fn convolution_matches() {
    let conv = Conv::padded(1);
    let op = Op::Conv2d { conv, bias: true };
    judge(op, [&[2, 9, 8, 12], &[3, 3, 12, 20], &[20]]).await;
}

#[wasm_bindgen_test]
async fn matrix_product_matches() {
    let op = Op::Matmul {
        transposed: false,
        bias: true,
    };
    judge(op, [&[2, 33, 40], &[40, 35], &[35]]).await;
}

#[wasm_bindgen_test]
async fn attention_matches() {
    let op = Op::Attention {
        heads: 2,
        scale: Scalar(0.16),
        causal: false,
    };
    judge(op, [&[2, 65, 80], &[2, 77, 80], &[2, 77, 80]]).await;
}

#[wasm_bindgen_test]
async fn group_norm_matches() {
    let op = Op::GroupNorm {
        groups: 4,
        eps: Scalar(1e-5),
    };
    judge(op, [&[2, 7, 5, 24], &[24], &[24]]).await;
}

#[wasm_bindgen_test]
async fn layer_norm_matches() {
    let op = Op::LayerNorm { eps: Scalar(1e-5) };
    judge(op, [&[2, 19, 48], &[48], &[48]]).await;
}

#[wasm_bindgen_test]
async fn geglu_matches() {
    judge(Op::Geglu, [&[2, 17, 40]]).await;
}

#[wasm_bindgen_test]
async fn softmax_matches() {
    judge(Op::Softmax, [&[3, 5, 77]]).await;
}

#[wasm_bindgen_test]
async fn reduction_matches() {
    judge(Op::Reduce(Reduction::Mean, vec![1, 2]), [&[2, 9, 7, 6]]).await;
}

#[wasm_bindgen_test]
async fn unary_function_matches() {
    judge(Op::Unary(Unary::Silu), [&[3, 41]]).await;
}

#[wasm_bindgen_test]
async fn resize_matches() {
    let op = Op::Resize {
        size: [12, 7],
        interpolation: Interpolation::Bilinear,
        antialias: false,
    };
    judge(op, [&[1, 6, 5, 8]]).await;
}
