//! How far what a network says of pictures is from what it should say, one number a picture.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    tensor::{Tensor, Unary},
};

/// Keeps roots and quotients from 0.
const EPS: f64 = 1e-12;

/// How outputs are compared with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// One less the cosine of the angle between both.
    Cosine,
    /// The mean of the differences' sizes.
    L1,
    /// The mean of the differences' squares.
    L2,
    /// Classes along axis 1, as scores before softmax: the mean over places of the negative logarithm of the target's share.
    CrossEntropy,
    /// The same of classes that are shares already, behind a softmax.
    NegativeLog,
    /// Feature maps by which channels stand high together, wherever they do: texture (Gatys et al. 2016,
    /// <https://arxiv.org/abs/1508.06576>).
    Gram,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Cosine,
        Self::L1,
        Self::L2,
        Self::CrossEntropy,
        Self::NegativeLog,
        Self::Gram,
    ];

    /// What flags and jobs call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::CrossEntropy => "cross-entropy",
            Self::NegativeLog => "negative-log",
            Self::Gram => "gram",
        }
    }

    /// The loss of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn parse(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|loss| loss.name() == name);
        found.ok_or_else(|| {
            Error::Request(format!(
                "there is no loss called {name:?}: choose {}",
                Self::ALL.map(Self::name).join(", ")
            ))
        })
    }

    /// Whether outputs need an axis of classes or channels for it.
    pub(super) fn needs_classes(self) -> bool {
        !matches!(self, Self::Cosine | Self::L1 | Self::L2)
    }

    /// How far outputs are from a target.
    ///
    /// # Shapes
    /// - `found`: `[B, ...]`; `wanted`: the same, or with one row for all
    /// - returns `[B]`
    ///
    /// # Panics
    /// When they do not fit; a guide checks that when it is made.
    pub fn between(self, found: &Tensor, wanted: &Tensor) -> Tensor {
        match self {
            Self::Cosine => cosine(&rows(found), &rows(wanted)),
            Self::L1 => flat(&difference(found, wanted).unary(Unary::Abs).mean(&[1])),
            Self::L2 => flat(&difference(found, wanted).unary(Unary::Square).mean(&[1])),
            Self::CrossEntropy => cross_entropy(&logarithms(&classes(found)), wanted),
            Self::NegativeLog => {
                let logarithms = classes(found).affine(1.0, EPS).unary(Unary::Log);
                cross_entropy(&logarithms, wanted)
            }
            Self::Gram => Self::L2.between(&gram(found), &gram(wanted)),
        }
    }
}

/// `[B, N]`
fn rows(x: &Tensor) -> Tensor {
    let batch = x.shape()[0];
    x.reshape([batch, x.shape().elements() / batch])
}

/// `[B, 1]` as `[B]`.
fn flat(x: &Tensor) -> Tensor {
    x.reshape([x.shape()[0]])
}

fn difference(found: &Tensor, wanted: &Tensor) -> Tensor {
    rows(found).sub(&rows(wanted))
}

/// `[B, N]` to `[B]`.
fn cosine(a: &Tensor, b: &Tensor) -> Tensor {
    let size = |x: &Tensor| {
        let square = x.unary(Unary::Square).sum(&[1]);
        square.affine(1.0, EPS).unary(Unary::Sqrt)
    };
    let product = a.mul(b).sum(&[1]);
    let cosine = product.div(&size(a).mul(&size(b)));
    flat(&cosine.affine(-1.0, 1.0))
}

/// `[B, C, ...]` to `[B, C, places]`
fn classes(x: &Tensor) -> Tensor {
    let [batch, classes] = [x.shape()[0], x.shape()[1]];
    let places = x.shape().elements() / batch / classes;
    x.reshape([batch, classes, places])
}

/// The logarithms of classes' shares, of scores before softmax `[B, C, places]`.
fn logarithms(scores: &Tensor) -> Tensor {
    let shifted = scores.sub(&scores.greatest(&[1]));
    let sum = shifted.unary(Unary::Exp).sum(&[1]);
    shifted.sub(&sum.unary(Unary::Log))
}

/// Logarithms of shares `[B, C, places]`, and wanted shares of the same classes; a place whose wanted shares are all 0
/// does not count.
fn cross_entropy(logarithms: &Tensor, wanted: &Tensor) -> Tensor {
    let wanted = classes(wanted);
    let hits = logarithms.mul(&wanted).sum(&[1, 2]);
    let counted = wanted.sum(&[1, 2]).affine(1.0, EPS);
    hits.div(&counted)
        .affine(-1.0, 0.0)
        .reshape([hits.shape()[0]])
}

/// `[B, C, ...]` to `[B, C, C]`: products of channels, their mean over places and channels.
fn gram(x: &Tensor) -> Tensor {
    let map = classes(x);
    let [_, channels, places] = map.dims();
    let share = 1.0 / (channels * places) as f64;
    map.matmul_transposed(&map, None).affine(share, 0.0)
}

/// `log(1 + exp(x))`, without leaving the numbers there are.
pub fn softplus(x: &Tensor) -> Tensor {
    let small = x.unary(Unary::Abs).unary(Unary::Neg).unary(Unary::Exp);
    x.relu().add(&small.affine(1.0, 1.0).unary(Unary::Log))
}

/// The arcsine of numbers in [0, 1), to 2e-8 (Abramowitz and Stegun 1964, 4.4.46).
pub fn arcsine(x: &Tensor) -> Tensor {
    const HORNER: [f64; 8] = [
        -0.001_262_491_1,
        0.006_670_090_1,
        -0.017_088_125_6,
        0.030_891_881_0,
        -0.050_174_304_6,
        0.088_978_987_4,
        -0.214_598_801_6,
        1.570_796_305_0,
    ];
    let mut sum = x.affine(HORNER[0], HORNER[1]);
    for &next in &HORNER[2..] {
        sum = sum.mul(x).affine(1.0, next);
    }
    let root = x.affine(-1.0, 1.0).affine(1.0, EPS).unary(Unary::Sqrt);
    root.mul(&sum).affine(-1.0, std::f64::consts::FRAC_PI_2)
}

/// Each row `[B, N]` as long as 1.
pub fn unit(x: &Tensor) -> Tensor {
    let squared = x.unary(Unary::Square).sum(&[1]).affine(1.0, EPS);
    x.div(&squared.unary(Unary::Sqrt))
}
