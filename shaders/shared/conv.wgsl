// What both ways to compute a convolution share: how operands lie, and four rows of weight at a time.
// x [B, h, w, C] and second [B, h, w, C'] side by side, weight [kh, kw, C + C', O], bias [O], out [B, h', w', O]
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

// Where four pixels of the result have their first tap.
struct Place {
    top: vec4<i32>,
    left: vec4<i32>,
    // pixels of x before their batch row's
    picture: vec4<u32>,
}

// The pixels of x at one tap; what lies outside counts with factor 0, its address is any pixel's.
struct Source {
    pixel: vec4<u32>,
    factor: vec4<f32>,
}

// Pixels are counted through all batch rows.
fn place_of(rows: vec4<u32>) -> Place {
    let pixel = vec4<u32>(params.first_row) + min(rows, vec4<u32>(params.rows - 1u));
    let line = pixel / params.out_extent.y;
    return Place(
        vec4<i32>((line % params.out_extent.x) * params.stride.x) - i32(params.pad.x),
        vec4<i32>((pixel % params.out_extent.y) * params.stride.y) - i32(params.pad.y),
        (line / params.out_extent.x) * (params.extent.x * params.extent.y),
    );
}

fn source_of(place: Place, ky: u32, kx: u32) -> Source {
    let zero = vec4<i32>(0);
    let tall = vec4<i32>(i32(params.extent.x << params.shift));
    let wide = vec4<i32>(i32(params.extent.y << params.shift));
    let y = place.top + i32(ky * params.dilation.x);
    let column = place.left + i32(kx * params.dilation.y);
    let inside = (y >= zero) & (y < tall) & (column >= zero) & (column < wide);
    let source_y = vec4<u32>(clamp(y, zero, tall - 1)) >> vec4<u32>(params.shift);
    let source_x = vec4<u32>(clamp(column, zero, wide - 1)) >> vec4<u32>(params.shift);
    return Source(
        place.picture + source_y * params.extent.y + source_x,
        select(vec4<f32>(0.0), vec4<f32>(1.0), inside),
    );
}
