//! The language between the planner and the kernels.
//!
//! `fuse` turns a graph into [`Step`]s; `kernels` lowers a step to [`Dispatch`]es; `plan` gives every operand a buffer and
//! records. Neither side needs to know more of the other than this file. What `kernels` offers:
//! `lower(&Step, &Limits) -> Lowered`, `supports(&Step) -> bool` (fusions beyond the bare operation), and
//! `Shader::find(name)`, which tells a shader's bindings and its whole WGSL, entry point `main`, for a [`Storage`].

use std::{fmt, ops::Range};

use crate::engine::{
    DType, Shape,
    op::{Op, Unary},
};

/// How a device's kernels see elements.
///
/// Every tensor is stored as rows (all axes but the last, flattened) of quads: the last axis is padded with zeros to a
/// multiple of 4, so that a kernel always loads and stores four neighbours at once, in every storage format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    /// `vec4<f32>`
    F32,
    /// `vec4<f16>`: the adapter has `shader-f16`.
    F16,
    /// `vec2<u32>`: the same bytes as `F16`, unpacked in the kernel, for adapters without `shader-f16`.
    PackedF16,
}

impl Storage {
    /// What a person calls it.
    pub const fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 | Self::PackedF16 => DType::F16,
        }
    }

    /// Bytes of a quad.
    pub const fn quad_bytes(self) -> u64 {
        4 * self.dtype().bytes()
    }
}

/// Quads in a row of `shape`.
pub fn row_quads(shape: &Shape) -> usize {
    shape.last().div_ceil(4)
}

/// Quads in the whole of `shape`, padding included.
pub fn quads(shape: &Shape) -> usize {
    shape.rows() * row_quads(shape)
}

/// What is done to an operation's result before it is stored.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum After {
    /// A function of each element.
    Unary(Unary),
    /// Adds the next operand, of the result's shape: a residual.
    Add,
    /// Adds the next operand, `[B, 1, ..., C]`: one row for all of a batch row's pixels, as a timestep's embedding is.
    AddRow,
    /// First half of the channels times GELU (erf) of the second; the stored result has half the channels.
    Geglu,
}

/// An operation with everything that was fused into it.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Step {
    /// The operation.
    pub op: Op,
    /// The first operand comes as two, to be read as if concatenated along the last axis.
    pub joined: bool,
    /// The first operand is read through a nearest-neighbour enlargement by 2.
    pub enlarged: bool,
    /// What is done to the result, in order. Operands follow the operation's own.
    pub after: Vec<After>,
    /// Shapes of all operands, as they are in memory.
    pub operands: Vec<Shape>,
    /// Shape of what is stored.
    pub output: Shape,
}

impl Step {
    /// The numbers that may change from run to run, in a fixed order: the operation's, then those of `after`.
    pub fn scalars(&self) -> Vec<f32> {
        let after = self.after.iter().flat_map(|after| match after {
            After::Unary(unary) => unary.scalars(),
            _ => Vec::new(),
        });
        self.op.scalars().into_iter().chain(after).collect()
    }

    /// The row numbers of a gather.
    pub fn rows(&self) -> Option<&[u32]> {
        match &self.op {
            Op::Gather(rows) => Some(&rows.0),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    /// The operation's name, what was folded into it, and the shapes: a line of a profile.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = format!("{:?}", self.op);
        let name = op.split([' ', '{']).next().unwrap_or_default();
        write!(f, "{name}")?;
        if self.joined {
            write!(f, " of a concatenation")?;
        }
        if self.enlarged {
            write!(f, " of an enlargement")?;
        }
        for after in &self.after {
            write!(f, " + {after:?}")?;
        }
        write!(f, " {:?} -> {:?}", self.operands, self.output)
    }
}

/// What a binding of a dispatch refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// The step's operand of this number.
    Operand(usize),
    /// What the step stores.
    Output,
    /// Scratch of this number, alive during the step only.
    Scratch(usize),
    /// The row numbers of an [`Op::Gather`], an `array<u32>`: they are data, written anew at each run.
    Rows,
}

/// A storage buffer, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Which buffer.
    pub buffer: Buffer,
    /// Bytes of it, a multiple of 256 at the start; all when `None`.
    pub bytes: Option<Range<u64>>,
}

/// One kernel launch.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// File name in `shaders/` without its ending.
    pub shader: &'static str,
    /// Pipeline-overridable constants.
    pub constants: Vec<(&'static str, f64)>,
    /// Storage buffers in the shader's order, beginning at binding 0. The uniform block `params` is the last binding.
    pub bindings: Vec<Binding>,
    /// The uniform block, as words, without the scalars.
    pub params: Vec<u32>,
    /// Where in `params` (in words) the step's scalars are written, all of them in order; `None` when it uses none.
    pub scalars_at: Option<usize>,
    /// How many workgroups.
    pub workgroups: [u32; 3],
}

/// A step, ready to be recorded.
#[derive(Clone, Debug, Default)]
pub struct Lowered {
    /// Launches in order.
    pub dispatches: Vec<Dispatch>,
    /// Bytes of each scratch buffer.
    pub scratch_bytes: Vec<u64>,
}

/// What the kernels may use on this device.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How elements are stored.
    pub storage: Storage,
    /// The adapter is a processor: barriers cost more than loads.
    pub software: bool,
    /// Greatest storage binding.
    pub binding_bytes: u64,
    /// Greatest buffer.
    pub buffer_bytes: u64,
    /// Workgroup memory.
    pub workgroup_bytes: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Storage buffers of a shader.
    pub storage_buffers: u32,
    /// Workgroups along one axis of a dispatch.
    pub workgroups: u32,
}
