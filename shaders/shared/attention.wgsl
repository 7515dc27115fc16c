// How the operands of both ways to compute attention lie.
// q [B, N, heads * D], k, v [B, M, heads * D], out [B, N, heads * D]
#import shared/grid

struct Params {
    scalars: array<vec4<f32>, 2>,
    queries: u32,
    keys: u32,
    heads: u32,
    head_quads: u32,
    row_quads: u32,
    // workgroups for the queries of a head, slabs of a head, workgroups in all
    tiles: u32,
    slabs: u32,
    count: u32,
    first_batch: u32,
    q_base: u32,
    k_base: u32,
    v_base: u32,
    out_base: u32,
}

override CAUSAL: bool = false;

@group(0) @binding(0) var<storage, read> q: array<Quad>;
@group(0) @binding(1) var<storage, read> k: array<Quad>;
@group(0) @binding(2) var<storage, read> v: array<Quad>;
@group(0) @binding(3) var<storage, read_write> out: array<Quad>;
@group(0) @binding(4) var<uniform> params: Params;
