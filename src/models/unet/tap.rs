//! Where guidance listens to the U-Net and changes what it hears.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::tensor::Tensor;

/// A block of the U-Net, numbered as in its parameters' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Block {
    /// `down_blocks.N`
    Down(usize),
    /// `mid_block`
    Mid,
    /// `up_blocks.N`
    Up(usize),
}

/// What kind of layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// A residual block.
    Resnet,
    /// `attn1` of a transformer: pixels look at pixels.
    SelfAttention,
    /// `attn2` of a transformer: pixels look at the text.
    CrossAttention,
}

/// A place in the U-Net; prints as its diffusers path.
///
/// ```
/// use guidestar::models::unet::{Block, Part, Site};
///
/// let site = Site { block: Block::Up(1), layer: 1, part: Part::Resnet };
/// assert_eq!(site.to_string(), "up_blocks.1.resnets.1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Site {
    /// Which block.
    pub block: Block,
    /// Which of the block's layers of this kind.
    pub layer: usize,
    /// Which kind of layer.
    pub part: Part,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down(index) => write!(f, "down_blocks.{index}"),
            Self::Mid => write!(f, "mid_block"),
            Self::Up(index) => write!(f, "up_blocks.{index}"),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { block, layer, part } = self;
        match part {
            Part::Resnet => write!(f, "{block}.resnets.{layer}"),
            Part::SelfAttention => {
                write!(f, "{block}.attentions.{layer}.transformer_blocks.0.attn1")
            }
            Part::CrossAttention => {
                write!(f, "{block}.attentions.{layer}.transformer_blocks.0.attn2")
            }
        }
    }
}

/// Queries, keys and values of an attention, each `[B, N, heads * D]`.
#[derive(Clone, Debug)]
pub struct Qkv {
    /// Queries.
    pub q: Tensor,
    /// Keys.
    pub k: Tensor,
    /// Values.
    pub v: Tensor,
}

/// Sees, and may replace, values inside the U-Net. Every default is the identity.
///
/// Taps compose: `(a, b)` hands what `a` returns to `b`, and `&mut T` is a tap where `T` is.
pub trait Tap {
    /// What a residual block computed, before the skip is added: `[B, h, w, C]`.
    fn hidden(&mut self, _at: Site, h: Tensor) -> Tensor {
        h
    }

    /// An attention's projections.
    fn qkv(&mut self, _at: Site, qkv: Qkv) -> Qkv {
        qkv
    }

    /// Whether [`Tap::probs`] is to be called here. It turns fused attention off, so ask for few sites.
    fn wants_probs(&self, _at: Site) -> bool {
        false
    }

    /// An attention's weights, `[B, heads, queries, keys]`.
    fn probs(&mut self, _at: Site, p: Tensor) -> Tensor {
        p
    }

    /// What an attention gathered from the values, `[B, N, heads * D]`, before its output projection. `v` are those values.
    fn gathered(&mut self, _at: Site, gathered: Tensor, _v: &Tensor) -> Tensor {
        gathered
    }

    /// What comes up and the skip beside it, each `[B, h, w, C]`, before they are joined for a residual block of the way up.
    fn join(&mut self, _at: Site, backbone: Tensor, skip: Tensor) -> (Tensor, Tensor) {
        (backbone, skip)
    }

    /// What a whole block hands on, `[B, h, w, C]`.
    fn block(&mut self, _at: Block, h: Tensor) -> Tensor {
        h
    }
}

/// The tap that leaves everything as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTap;

impl Tap for NoTap {}

impl<T: Tap + ?Sized> Tap for &mut T {
    fn hidden(&mut self, at: Site, h: Tensor) -> Tensor {
        (**self).hidden(at, h)
    }

    fn qkv(&mut self, at: Site, qkv: Qkv) -> Qkv {
        (**self).qkv(at, qkv)
    }

    fn wants_probs(&self, at: Site) -> bool {
        (**self).wants_probs(at)
    }

    fn probs(&mut self, at: Site, p: Tensor) -> Tensor {
        (**self).probs(at, p)
    }

    fn gathered(&mut self, at: Site, gathered: Tensor, v: &Tensor) -> Tensor {
        (**self).gathered(at, gathered, v)
    }

    fn join(&mut self, at: Site, backbone: Tensor, skip: Tensor) -> (Tensor, Tensor) {
        (**self).join(at, backbone, skip)
    }

    fn block(&mut self, at: Block, h: Tensor) -> Tensor {
        (**self).block(at, h)
    }
}

impl<A: Tap, B: Tap> Tap for (A, B) {
    fn hidden(&mut self, at: Site, h: Tensor) -> Tensor {
        self.1.hidden(at, self.0.hidden(at, h))
    }

    fn qkv(&mut self, at: Site, qkv: Qkv) -> Qkv {
        self.1.qkv(at, self.0.qkv(at, qkv))
    }

    fn wants_probs(&self, at: Site) -> bool {
        self.0.wants_probs(at) || self.1.wants_probs(at)
    }

    /// Only a tap that asked for the weights of this site is given them.
    fn probs(&mut self, at: Site, mut p: Tensor) -> Tensor {
        if self.0.wants_probs(at) {
            p = self.0.probs(at, p);
        }
        if self.1.wants_probs(at) {
            p = self.1.probs(at, p);
        }
        p
    }

    fn gathered(&mut self, at: Site, gathered: Tensor, v: &Tensor) -> Tensor {
        let gathered = self.0.gathered(at, gathered, v);
        self.1.gathered(at, gathered, v)
    }

    fn join(&mut self, at: Site, backbone: Tensor, skip: Tensor) -> (Tensor, Tensor) {
        let (backbone, skip) = self.0.join(at, backbone, skip);
        self.1.join(at, backbone, skip)
    }

    fn block(&mut self, at: Block, h: Tensor) -> Tensor {
        self.1.block(at, self.0.block(at, h))
    }
}
