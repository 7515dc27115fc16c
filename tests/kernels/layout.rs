//! Operations that move elements.

use guidestar::{
    engine::op::{Op, Rows},
    tensor::PadMode,
};

use crate::{Case, judge};

#[test]
fn reshape_permute_and_expand_match() {
    let mut cases = vec![
        Case::new(Op::Reshape([6, 20].into()), [&[2, 3, 4, 5]]),
        Case::new(Op::Reshape([2, 3, 20].into()), [&[2, 3, 4, 5]]),
        Case::new(Op::Reshape([7].into()), [&[1, 7, 1]]),
        Case::new(Op::Expand([3, 4, 5].into()), [&[1, 4, 1]]),
        Case::new(Op::Expand([2, 8, 8, 4].into()), [&[2, 1, 1, 4]]),
        Case::new(Op::Expand([9].into()), [&[1]]),
    ];
    let orders: [(&[usize], &[usize]); 8] = [
        (&[1, 0], &[3, 17]),
        (&[1, 0], &[64, 32]),
        (&[0, 2, 1], &[2, 5, 8]),
        (&[2, 0, 1], &[3, 4, 5]),
        (&[0, 3, 1, 2], &[2, 8, 8, 12]),
        (&[0, 2, 3, 1], &[2, 12, 8, 8]),
        (&[3, 2, 1, 0], &[2, 3, 4, 5]),
        (&[0, 1, 3, 2, 4, 5], &[1, 4, 2, 3, 2, 3]),
    ];
    cases.extend(orders.map(|(order, shape)| Case::new(Op::Permute(order.to_vec()), [shape])));
    judge(cases);
}

#[test]
fn slices_match() {
    let slice = |shape: &[usize], starts: &[usize], steps: &[usize], extents: &[usize]| {
        let op = Op::Slice {
            starts: starts.to_vec(),
            steps: steps.to_vec(),
            shape: extents.into(),
        };
        Case::new(op, [shape])
    };
    judge([
        slice(&[13], &[5], &[1], &[8]),
        slice(&[13], &[0], &[3], &[5]),
        slice(&[13], &[12], &[1], &[1]),
        slice(&[4, 9], &[2, 0], &[1, 1], &[2, 9]),
        slice(&[2, 6, 7, 8], &[1, 0, 0, 0], &[1, 1, 1, 1], &[1, 6, 7, 8]),
        slice(&[2, 6, 7, 8], &[0, 1, 2, 4], &[1, 2, 2, 1], &[2, 3, 2, 4]),
        slice(&[2, 6, 7, 9], &[0, 0, 0, 1], &[1, 1, 1, 2], &[2, 6, 7, 4]),
        slice(&[2, 77, 12], &[0, 76, 0], &[1, 1, 1], &[2, 1, 12]),
    ]);
}

#[test]
fn concatenations_match() {
    judge([
        Case::new(Op::Concat(0), [&[3], &[5]]),
        Case::new(Op::Concat(0), [&[1, 4, 4, 3], &[1, 4, 4, 3]]),
        Case::new(Op::Concat(3), [&[2, 4, 4, 8], &[2, 4, 4, 12]]),
        Case::new(Op::Concat(3), [&[2, 4, 4, 3], &[2, 4, 4, 5]]),
        Case::new(
            Op::Concat(1),
            [&[2, 3, 5], &[2, 1, 5], &[2, 4, 5], &[2, 2, 5]],
        ),
        Case::new(Op::Concat(2), [&[1, 2, 3, 4], &[1, 2, 1, 4], &[1, 2, 6, 4]]),
    ]);
}

#[test]
fn paddings_match_in_every_mode() {
    let borders: [(&[usize], &[usize], &[usize]); 6] = [
        (&[7], &[2], &[3]),
        (&[2, 5, 6, 4], &[0, 1, 1, 0], &[0, 1, 1, 0]),
        (&[2, 5, 6, 4], &[0, 0, 0, 0], &[0, 1, 1, 0]),
        (&[1, 8, 9, 3], &[0, 4, 4, 0], &[0, 4, 4, 0]),
        (&[1, 8, 9, 3], &[0, 7, 0, 0], &[0, 0, 8, 0]),
        (&[3, 4, 5], &[1, 2, 3], &[2, 1, 0]),
    ];
    let modes = [PadMode::Zero, PadMode::Reflect, PadMode::Edge];
    judge(modes.into_iter().flat_map(|mode| {
        borders.into_iter().map(move |(shape, before, after)| {
            let op = Op::Pad {
                before: before.to_vec(),
                after: after.to_vec(),
                mode,
            };
            Case::new(op, [shape])
        })
    }));
}

#[test]
fn gathers_match() {
    let gather = |rows: &[u32], shape: &[usize]| Case::new(Op::Gather(Rows(rows.into())), [shape]);
    judge([
        gather(&[0], &[1, 1]),
        gather(&[4, 0, 4, 2], &[5, 7]),
        gather(&[48, 1, 2, 47, 0, 0, 3], &[49, 64]),
    ]);
}
