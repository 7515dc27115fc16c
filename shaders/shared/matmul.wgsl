// What both ways to compute a matrix product share: how operands lie, and four rows of w at a time.
// x [batch, rows, K], w [batch, K, N] or [batch, N, K], bias [N], out [batch, rows, N]; strides in quads
#import shared/product
#import shared/grid

struct Params {
    scalars: array<vec4<f32>, 2>,
    rows: u32,
    columns: u32,
    // quads in a row of out, and of w when it is not transposed
    row_quads: u32,
    w_row_quads: u32,
    k_quads: u32,
    // quads of K that x has, the others are second's
    x_quads: u32,
    k_last: u32,
    n_last: u32,
    x_row: u32,
    second_row: u32,
    w_row: u32,
    out_row: u32,
    // batches are counted in two levels, inner fastest
    inner: u32,
    x_strides: vec2<u32>,
    w_strides: vec2<u32>,
    out_strides: vec2<u32>,
    // workgroups along columns and along rows
    tiles: vec2<u32>,
    batches: u32,
    // distance of a thread's two quads of columns
    pair: u32,
    first_row: u32,
    batch_rows: u32,
    x_base: u32,
    second_base: u32,
    w_base: u32,
    bias_base: u32,
    added_base: u32,
    per_row_base: u32,
    out_base: u32,
}

override TRANSPOSED: bool = false;
// K is not a multiple of 4: w has no rows for x's padding.
override RAGGED: bool = false;
// x comes as two, side by side along K.
override JOINED: bool = false;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read> second: array<Quad>;
@group(0) @binding(2) var<storage, read> w: array<Quad>;
@group(0) @binding(3) var<storage, read> bias: array<Quad>;
@group(0) @binding(4) var<storage, read> added: array<Quad>;
@group(0) @binding(5) var<storage, read> per_row: array<Quad>;
@group(0) @binding(6) var<storage, read_write> out: array<Quad>;
@group(0) @binding(7) var<uniform> params: Params;

// Rows 4k to 4k + 3 of w at a quad of columns: as columns of a matrix, which times four elements of x is their part.
fn weights(base: u32, k: u32, quad: u32) -> mat4x4<f32> {
    if TRANSPOSED {
        let n = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
        let at = vec4<u32>(base + k) + params.w_row * min(n, vec4<u32>(params.n_last));
        return transpose(mat4x4<f32>(load4(w[at.x]), load4(w[at.y]), load4(w[at.z]), load4(w[at.w])));
    }
    var r = vec4<u32>(4u * k) + vec4<u32>(0u, 1u, 2u, 3u);
    if RAGGED {
        r = min(r, vec4<u32>(params.k_last));
    }
    let at = vec4<u32>(base + quad) + params.w_row * r;
    return mat4x4<f32>(load4(w[at.x]), load4(w[at.y]), load4(w[at.z]), load4(w[at.w]));
}
