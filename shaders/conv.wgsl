// conv: convolution as a matrix product whose left matrix is read from the picture; without workgroup memory
// x [B, h, w, C] and second [B, h, w, C'] side by side, weight [kh, kw, C + C', O], bias [O], out [B, h', w', O]
// one thread 4 pixels by 2 quads of channels; reference: tests/support/operations/reference, conv2d
#import shared/product
#import shared/grid

struct Params {
    scalars: array<vec4<f32>, 2>,
    // pixels of out, of all batch rows or of a band of one
    rows: u32,
    columns: u32,
    row_quads: u32,
    w_row_quads: u32,
    x_quads: u32,
    second_quads: u32,
    // C + C', and the last row of weight
    channels: u32,
    k_last: u32,
    // height and width
    extent: vec2<u32>,
    out_extent: vec2<u32>,
    taps: vec2<u32>,
    stride: vec2<u32>,
    pad: vec2<u32>,
    dilation: vec2<u32>,
    // 1 when x is enlarged by 2
    shift: u32,
    tiles: vec2<u32>,
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

// C is not a multiple of 4: weight has no rows for x's padding.
override RAGGED: bool = false;
override JOINED: bool = false;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read> second: array<Quad>;
@group(0) @binding(2) var<storage, read> w: array<Quad>;
@group(0) @binding(3) var<storage, read> bias: array<Quad>;
@group(0) @binding(4) var<storage, read> added: array<Quad>;
@group(0) @binding(5) var<storage, read> per_row: array<Quad>;
@group(0) @binding(6) var<storage, read_write> out: array<Quad>;
@group(0) @binding(7) var<uniform> params: Params;

// Four rows of weight at a quad of columns, from a row on.
fn weights(row: u32, quad: u32) -> mat4x4<f32> {
    var r = vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u);
    if RAGGED {
        r = min(r, vec4<u32>(params.k_last));
    }
    let at = vec4<u32>(params.w_base + quad) + params.w_row_quads * r;
    return mat4x4<f32>(load4(w[at.x]), load4(w[at.y]), load4(w[at.z]), load4(w[at.w]));
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let tile = flat_group(group, groups);
    if tile >= params.tiles.x * params.tiles.y {
        return;
    }
    let first = (tile % params.tiles.x) * 16u + local.x;
    let other = first + params.pair;
    let row = (tile / params.tiles.x) * 32u + 4u * local.y;
    let q0 = min(first, params.w_row_quads - 1u);
    let q1 = min(other, params.w_row_quads - 1u);

    // The first tap of each of the four pixels; pixels are counted through all batch rows.
    let r = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    let pixel = vec4<u32>(params.first_row) + r;
    let line = pixel / params.out_extent.y;
    let top = vec4<i32>((line % params.out_extent.x) * params.stride.x) - i32(params.pad.x);
    let left = vec4<i32>((pixel % params.out_extent.y) * params.stride.y) - i32(params.pad.y);
    let picture = (line / params.out_extent.x) * (params.extent.x * params.extent.y);
    let tall = vec4<i32>(i32(params.extent.x << params.shift));
    let wide = vec4<i32>(i32(params.extent.y << params.shift));

    var c00 = vec4<f32>(0.0);
    var c10 = vec4<f32>(0.0);
    var c20 = vec4<f32>(0.0);
    var c30 = vec4<f32>(0.0);
    var c01 = vec4<f32>(0.0);
    var c11 = vec4<f32>(0.0);
    var c21 = vec4<f32>(0.0);
    var c31 = vec4<f32>(0.0);
    for (var ky = 0u; ky < params.taps.x; ky++) {
        let y = top + i32(ky * params.dilation.x);
        for (var kx = 0u; kx < params.taps.y; kx++) {
            let column = left + i32(kx * params.dilation.y);
            let inside = (y >= vec4<i32>(0)) & (y < tall) & (column >= vec4<i32>(0)) & (column < wide);
            // What lies outside counts with factor 0; its address is any pixel's.
            let factor = select(vec4<f32>(0.0), vec4<f32>(1.0), inside);
            let source_y = vec4<u32>(clamp(y, vec4<i32>(0), tall - 1)) >> vec4<u32>(params.shift);
            let source_x = vec4<u32>(clamp(column, vec4<i32>(0), wide - 1)) >> vec4<u32>(params.shift);
            let source = picture + source_y * params.extent.y + source_x;
            var k = (ky * params.taps.y + kx) * params.channels;
            let x_at = vec4<u32>(params.x_base) + source * params.x_quads;
            for (var c = 0u; c < params.x_quads; c++) {
                let a0 = load4(x[x_at.x + c]) * factor.x;
                let a1 = load4(x[x_at.y + c]) * factor.y;
                let a2 = load4(x[x_at.z + c]) * factor.z;
                let a3 = load4(x[x_at.w + c]) * factor.w;
                let b0 = weights(k, q0);
                c00 += b0 * a0;
                c10 += b0 * a1;
                c20 += b0 * a2;
                c30 += b0 * a3;
                let b1 = weights(k, q1);
                c01 += b1 * a0;
                c11 += b1 * a1;
                c21 += b1 * a2;
                c31 += b1 * a3;
                k += 4u;
            }
            if JOINED {
                let second_at = vec4<u32>(params.second_base) + source * params.second_quads;
                for (var c = 0u; c < params.second_quads; c++) {
                    let a0 = load4(second[second_at.x + c]) * factor.x;
                    let a1 = load4(second[second_at.y + c]) * factor.y;
                    let a2 = load4(second[second_at.z + c]) * factor.z;
                    let a3 = load4(second[second_at.w + c]) * factor.w;
                    let b0 = weights(k, q0);
                    c00 += b0 * a0;
                    c10 += b0 * a1;
                    c20 += b0 * a2;
                    c30 += b0 * a3;
                    let b1 = weights(k, q1);
                    c01 += b1 * a0;
                    c11 += b1 * a1;
                    c21 += b1 * a2;
                    c31 += b1 * a3;
                    k += 4u;
                }
            }
        }
    }
    let out_at = r * params.row_quads;
    store_pair(c00, c01, row, out_at.x, first, other);
    store_pair(c10, c11, row + 1u, out_at.y, first, other);
    store_pair(c20, c21, row + 2u, out_at.z, first, other);
    store_pair(c30, c31, row + 3u, out_at.w, first, other);
}
