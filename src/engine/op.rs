//! The operations an engine must know, as data.
//!
//! An [`Op`] names an operation and its static settings; its tensors are listed beside it, in the order its doc gives.
//! The same value is a call on the eager engine, a node of the lazy engine's graph and a case of the tests'
//! reference, so a setting is spelled once. Feature maps are `[B, h, w, C]`, tokens `[B, N, C]`.

use std::{hash::Hash, hash::Hasher, rc::Rc};

use super::Shape;

/// A number that may differ from one run of a plan to the next: it is handed to the kernel and never part of the
/// plan's identity, so it adds nothing to a hash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalar(pub f32);

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Row numbers for [`Op::Gather`]. Like a [`Scalar`] only their count is part of a plan's identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows(pub Rc<[u32]>);

impl Hash for Rows {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.len().hash(state);
    }
}

/// A function of one element.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
#[expect(missing_docs, reason = "the names are the functions")]
pub enum Unary {
    Neg,
    Abs,
    Square,
    Sqrt,
    Recip,
    Exp,
    Log,
    Sin,
    Cos,
    Tanh,
    Erf,
    /// The greatest whole number that is not greater.
    Floor,
    Sigmoid,
    Silu,
    /// `x * (1 + erf(x / sqrt 2)) / 2`
    GeluErf,
    /// The tanh approximation of GELU.
    GeluTanh,
    /// `x * sigmoid(1.702 x)`, CLIP's.
    QuickGelu,
    Relu,
    /// `clamp(x / 6 + 1/2, 0, 1)`
    HardSigmoid,
    /// `x * HardSigmoid(x)`
    HardSwish,
    LeakyRelu(Scalar),
    Clamp(Scalar, Scalar),
    /// `x * scale + shift`
    Affine {
        scale: Scalar,
        shift: Scalar,
    },
}

/// A function of two elements; axes of extent 1 are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
#[expect(missing_docs, reason = "the names are the functions")]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    /// 1 where the first is greater, else 0.
    Greater,
    /// 1 where the first is greater or equal, else 0.
    GreaterEqual,
    /// 1 where both are equal, else 0.
    Equal,
    /// `a * x + b * y`: a sampler's step, rounded once.
    Mix(Scalar, Scalar),
}

/// How a reduction combines elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the functions")]
pub enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
}

/// What stands outside the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PadMode {
    /// Zeros.
    Zero,
    /// The inside mirrored at the edge element, which is not repeated (PyTorch's `reflect`).
    Reflect,
    /// The edge element repeated.
    Edge,
}

/// How a picture is resampled. Coordinates are PyTorch's `align_corners=False`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// Source index `floor(dst * src_extent / dst_extent)`.
    Nearest,
    /// Linear along each axis.
    Bilinear,
    /// Cubic convolution with a = -0.75 without antialias, and -0.5 with it, as PyTorch has it.
    Bicubic,
}

/// Which element or mean a pooling window yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// The greatest element; padding never wins.
    Max,
    /// The mean over the window's elements inside the picture (PyTorch's `count_include_pad=False`).
    Mean,
}

/// Rows and columns around a picture: top, bottom, left, right.
pub type Border = [usize; 4];

/// A convolution's geometry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv {
    /// Steps of the window, down and across.
    pub stride: [usize; 2],
    /// Zeros around the input.
    pub pad: Border,
    /// Distance of the kernel's taps, down and across.
    pub dilation: [usize; 2],
    /// Channels are split in this many independent groups; equal to the channels it is depthwise.
    pub groups: usize,
}

impl Conv {
    /// Stride 1 with `pad` zeros on each side.
    pub const fn padded(pad: usize) -> Self {
        Self {
            stride: [1, 1],
            pad: [pad; 4],
            dilation: [1, 1],
            groups: 1,
        }
    }
}

/// An operation. The tensors it takes are named in each variant's doc, in order.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Op {
    /// `x`: the same elements in the same order under another shape.
    Reshape(Shape),
    /// `x`: axis `i` of the result is axis `order[i]` of `x`.
    Permute(Vec<usize>),
    /// `x`: from `starts[axis]` on, as many as the shape says, every `steps[axis]`-th.
    Slice {
        /// First index along each axis.
        starts: Vec<usize>,
        /// Distance of the indices taken along each axis, at least 1.
        steps: Vec<usize>,
        /// The result's shape.
        shape: Shape,
    },
    /// `x0, x1, ...`: laid end to end along an axis.
    Concat(usize),
    /// `x`: grown along each axis.
    Pad {
        /// How many in front, along each axis.
        before: Vec<usize>,
        /// How many behind, along each axis.
        after: Vec<usize>,
        /// What they are.
        mode: PadMode,
    },
    /// `x`: axes of extent 1 repeated to the shape.
    Expand(Shape),
    /// `table [V, C]`: the rows named, `[rows, C]`.
    Gather(Rows),
    /// `x, y`: `x` itself, but only once `y` is computed, so that a lazy engine makes what leads away from it late.
    After,
    /// `x`
    Unary(Unary),
    /// `x, g`: `g` times the function's derivative at `x`; where there is none, as PyTorch has it.
    Slope(Unary),
    /// `x, y`
    Binary(Binary),
    /// `mask, x, y`: `x` where the mask is not 0, else `y`; axes of extent 1 are repeated.
    Select,
    /// `x`: combined along the axes, which stay with extent 1.
    Reduce(Reduction, Vec<usize>),
    /// `x`: `exp(x - max) / sum` along the last axis.
    Softmax,
    /// `x [..., M, K], w [K, N] or [..., K, N]`, and `bias [N]` if said: `x w + bias`.
    Matmul {
        /// `w` is `[N, K]` or `[..., N, K]` instead.
        transposed: bool,
        /// There is a third tensor, added to each row.
        bias: bool,
    },
    /// `x [B, h, w, C], weight [kh, kw, C/groups, O]`, and `bias [O]` if said.
    Conv2d {
        /// Its geometry.
        conv: Conv,
        /// There is a third tensor, added to each pixel.
        bias: bool,
    },
    /// `x [B, ..., C], gamma [C], beta [C]`: normalised over everything in a batch row and group of channels.
    GroupNorm {
        /// How many groups the channels are split in.
        groups: usize,
        /// Added to the variance.
        eps: Scalar,
    },
    /// `x [..., C], gamma [C], beta [C]`: normalised along the last axis.
    LayerNorm {
        /// Added to the variance.
        eps: Scalar,
    },
    /// `x [..., 2C]`: the first half of the channels times `GeluErf` of the second, `[..., C]`.
    Geglu,
    /// `q [B, N, heads*D], k [B, M, heads*D], v [B, M, heads*D]`: `softmax(scale q k^T) v` per head, never storing
    /// the scores; `[B, N, heads*D]`.
    Attention {
        /// How many heads.
        heads: usize,
        /// Multiplies the scores.
        scale: Scalar,
        /// Query `i` sees only keys up to `i`.
        causal: bool,
    },
    /// `q [B, N, heads*D], k [B, M, heads*D]`: `softmax(scale q k^T)` itself, `[B, heads, N, M]`.
    AttentionProbs {
        /// How many heads.
        heads: usize,
        /// Multiplies the scores.
        scale: Scalar,
        /// Query `i` sees only keys up to `i`.
        causal: bool,
    },
    /// `probs [B, heads, N, M], v [B, M, heads*D]`: `[B, N, heads*D]`.
    AttentionApply,
    /// `x [B, h, w, C]`: resampled.
    Resize {
        /// Height and width of the result.
        size: [usize; 2],
        /// How.
        interpolation: Interpolation,
        /// Widen the filter when shrinking, as picture libraries do.
        antialias: bool,
    },
    /// `x [B, h, w, C]`
    Pool {
        /// What a window yields.
        pooling: Pooling,
        /// Height and width of the window.
        kernel: [usize; 2],
        /// Steps of the window, down and across.
        stride: [usize; 2],
        /// Border around the input, which counts for nothing.
        pad: Border,
    },
}

impl Op {
    /// The numbers that may change from run to run, in a fixed order.
    pub fn scalars(&self) -> Vec<f32> {
        match self {
            Self::Unary(unary) | Self::Slope(unary) => unary.scalars(),
            Self::Binary(Binary::Mix(a, b)) => vec![a.0, b.0],
            Self::GroupNorm { eps, .. } | Self::LayerNorm { eps } => vec![eps.0],
            Self::Attention { scale, .. } | Self::AttentionProbs { scale, .. } => vec![scale.0],
            _ => Vec::new(),
        }
    }
}

impl Unary {
    /// The numbers that may change from run to run, in a fixed order.
    pub fn scalars(&self) -> Vec<f32> {
        match *self {
            Self::LeakyRelu(slope) => vec![slope.0],
            Self::Clamp(low, high) => vec![low.0, high.0],
            Self::Affine { scale, shift } => vec![scale.0, shift.0],
            _ => Vec::new(),
        }
    }
}
