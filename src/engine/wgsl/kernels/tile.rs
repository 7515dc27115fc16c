//! How the result of a matrix product, or of a convolution computed as one, is cut into workgroups.

use crate::engine::wgsl::step::Limits;

/// Threads of a workgroup along the columns, each with two quads.
pub const THREADS: usize = 8;

/// Rows of a tile that goes through workgroup memory.
const TILED_ROWS: usize = 64;

/// Rows of a tile that does not.
const DIRECT_ROWS: usize = 32;

/// A workgroup's share of the result.
#[derive(Clone, Copy)]
pub struct Tile {
    /// Rows of it.
    pub rows: usize,
    /// Whether operands go through workgroup memory.
    pub tiled: bool,
}

/// The share of a workgroup for a result of so many rows.
///
/// Tiles pay where memory is far and barriers are cheap. On lavapipe a barrier switches between coroutines: a product of
/// 1024 x 1024 x 1024 took 420 ms through workgroup memory and 210 ms without, on SwiftShader 2000 and 625 ms. Without
/// it, 8 rows a thread were 35% faster than 4 in f32 and no faster packed, and took far longer to compile. A few rows
/// would leave most of a tile idle.
pub fn choose(limits: &Limits, rows: usize) -> Tile {
    let tiled = !limits.software && rows > DIRECT_ROWS / 2;
    Tile {
        rows: if tiled { TILED_ROWS } else { DIRECT_ROWS },
        tiled,
    }
}
