//! Resampling and pooling.

use guidestar::{
    engine::op::Op,
    tensor::{Interpolation, Pooling},
};

use crate::{Case, judge};

#[test]
fn resizes_match_with_and_without_antialias() {
    let sizes = [
        ([8, 8], [16, 16], 4),
        ([8, 8], [15, 17], 3),
        ([16, 12], [8, 6], 4),
        ([31, 17], [7, 5], 3),
        ([5, 5], [4, 6], 1),
        ([1, 3], [4, 3], 5),
        ([64, 64], [14, 14], 3),
        ([12, 40], [13, 9], 2),
    ];
    let ways = [
        (Interpolation::Nearest, false),
        (Interpolation::Bilinear, false),
        (Interpolation::Bilinear, true),
        (Interpolation::Bicubic, false),
        (Interpolation::Bicubic, true),
    ];
    judge(ways.into_iter().flat_map(|(interpolation, antialias)| {
        sizes.into_iter().map(move |([h, w], size, channels)| {
            let op = Op::Resize {
                size,
                interpolation,
                antialias,
            };
            Case::new(op, [&[2, h, w, channels]])
        })
    }));
}

#[test]
fn pools_match() {
    let windows = [
        ([2, 2], [2, 2], [0; 4], [2, 8, 8, 4]),
        ([3, 3], [2, 2], [1, 1, 1, 1], [1, 9, 12, 3]),
        ([3, 2], [1, 2], [1, 0, 0, 1], [2, 7, 5, 8]),
        ([7, 7], [1, 1], [0; 4], [1, 7, 7, 16]),
        ([1, 1], [2, 2], [0; 4], [1, 5, 5, 1]),
        ([5, 5], [1, 1], [2, 2, 2, 2], [1, 6, 6, 2]),
    ];
    judge(
        [Pooling::Max, Pooling::Mean]
            .into_iter()
            .flat_map(|pooling| {
                windows
                    .into_iter()
                    .map(move |(kernel, stride, pad, shape)| {
                        let op = Op::Pool {
                            pooling,
                            kernel,
                            stride,
                            pad,
                        };
                        Case::new(op, [&shape])
                    })
            }),
    );
}
