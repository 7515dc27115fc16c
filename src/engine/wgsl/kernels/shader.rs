//! The shaders as the build found them: sources, bindings and the layout of their uniform blocks.

use std::fmt;

use crate::engine::wgsl::step::Storage;

/// A kernel's source and what a caller must know of it.
pub struct Shader {
    /// File name in `shaders/` without its ending.
    pub name: &'static str,
    /// Whether each storage buffer is written, by binding; the uniform block `params` is the binding behind them.
    pub writes: &'static [bool],
    /// Size of the uniform block.
    pub params_bytes: u64,
    /// Invocations of a workgroup along each axis.
    pub workgroup: [u32; 3],
    /// Names of the pipeline-overridable constants.
    pub overrides: &'static [&'static str],
    pub(super) scalars_at: Option<usize>,
    pub(super) scalar_room: usize,
    body: &'static str,
}

impl Shader {
    /// The shader of a name.
    pub fn find(name: &str) -> Option<&'static Self> {
        generated::ALL
            .iter()
            .copied()
            .find(|shader| shader.name == name)
    }

    /// Every shader there is.
    pub fn all() -> &'static [&'static Self] {
        generated::ALL
    }

    /// The whole source for a storage format.
    pub fn source(&self, storage: Storage) -> String {
        let prelude = match storage {
            Storage::F32 => generated::PRELUDE_F32,
            Storage::F16 => generated::PRELUDE_F16,
            Storage::PackedF16 => generated::PRELUDE_PACKED,
        };
        format!("{prelude}{}", self.body)
    }
}

impl fmt::Debug for Shader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shader({})", self.name)
    }
}

/// A shader's uniform block, but for the step's scalars.
pub(super) trait Params {
    /// The shader that it belongs to.
    const SHADER: &'static Shader;
    /// The block as the shader reads it, zeros where the scalars go.
    fn words(&self) -> Vec<u32>;
}

pub(super) use generated::*;

/// What `build/` wrote.
// No expectation: clippy and the compiler disagree on whether that is fulfilled.
#[allow(
    dead_code,
    reason = "a shader that computes the same as another is launched with the other's uniform block"
)]
mod generated {
    use super::{Params, Shader};

    include!(concat!(env!("OUT_DIR"), "/shaders.rs"));
}
