// matmul: out = x w + bias, then `after`; without workgroup memory
// x [batch, rows, K], w [batch, K, N] or [batch, N, K], bias [N], out [batch, rows, N]; strides in quads
// one thread 4 rows by 2 quads of columns; reference: tests/support/operations/reference, matmul
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

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let tile = flat_group(group, groups);
    let batch = tile / (params.tiles.x * params.tiles.y);
    if batch >= params.batches {
        return;
    }
    let level = vec2<u32>(batch / params.inner, batch % params.inner);
    let first = (tile % params.tiles.x) * select(16u, 8u, GEGLU) + local.x;
    let other = first + params.pair;
    let row = ((tile / params.tiles.x) % params.tiles.y) * 32u + 4u * local.y;
    let r = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    var x_at = vec4<u32>(params.x_base + dot(level, params.x_strides)) + r * params.x_row;
    let w_at = params.w_base + dot(level, params.w_strides);
    let q0 = min(first, params.w_row_quads - 1u);
    let q1 = min(other, params.w_row_quads - 1u);
    var c00 = vec4<f32>(0.0);
    var c10 = vec4<f32>(0.0);
    var c20 = vec4<f32>(0.0);
    var c30 = vec4<f32>(0.0);
    var c01 = vec4<f32>(0.0);
    var c11 = vec4<f32>(0.0);
    var c21 = vec4<f32>(0.0);
    var c31 = vec4<f32>(0.0);
    for (var k = 0u; k < params.x_quads; k++) {
        let a0 = load4(x[x_at.x + k]);
        let a1 = load4(x[x_at.y + k]);
        let a2 = load4(x[x_at.z + k]);
        let a3 = load4(x[x_at.w + k]);
        let b0 = weights(w_at, k, q0);
        c00 += b0 * a0;
        c10 += b0 * a1;
        c20 += b0 * a2;
        c30 += b0 * a3;
        let b1 = weights(w_at, k, q1);
        c01 += b1 * a0;
        c11 += b1 * a1;
        c21 += b1 * a2;
        c31 += b1 * a3;
    }
    if JOINED {
        x_at = vec4<u32>(params.second_base) + r * params.second_row;
        for (var k = 0u; k < params.k_quads - params.x_quads; k++) {
            let a0 = load4(second[x_at.x + k]);
            let a1 = load4(second[x_at.y + k]);
            let a2 = load4(second[x_at.z + k]);
            let a3 = load4(second[x_at.w + k]);
            let b0 = weights(w_at, k + params.x_quads, q0);
            c00 += b0 * a0;
            c10 += b0 * a1;
            c20 += b0 * a2;
            c30 += b0 * a3;
            let b1 = weights(w_at, k + params.x_quads, q1);
            c01 += b1 * a0;
            c11 += b1 * a1;
            c21 += b1 * a2;
            c31 += b1 * a3;
        }
    }
    let out_at = vec4<u32>(dot(level, params.out_strides)) + r * params.out_row;
    store_pair(c00, c01, row, out_at.x, first, other);
    store_pair(c10, c11, row + 1u, out_at.y, first, other);
    store_pair(c20, c21, row + 2u, out_at.z, first, other);
    store_pair(c30, c31, row + 3u, out_at.w, first, other);
}
