// A tile of a matrix product in workgroup memory: 64 rows by 16 quads of columns, 4 quads of K at a time. Each of the
// 8 x 8 threads gathers 8 rows (every 8th, from its own) by 2 quads (its own, and the 8th from it).
const TILE_K = 4u;
// A row of xs is one quad longer than what it holds, so that threads of neighbouring rows read different banks.
const XS_ROW = 5u;
const WS_ROW = 16u;

var<workgroup> xs: array<vec4<f32>, 320>;
var<workgroup> ws: array<vec4<f32>, 256>;

struct Sums {
    a0: vec4<f32>,
    b0: vec4<f32>,
    a1: vec4<f32>,
    b1: vec4<f32>,
    a2: vec4<f32>,
    b2: vec4<f32>,
    a3: vec4<f32>,
    b3: vec4<f32>,
    a4: vec4<f32>,
    b4: vec4<f32>,
    a5: vec4<f32>,
    b5: vec4<f32>,
    a6: vec4<f32>,
    b6: vec4<f32>,
    a7: vec4<f32>,
    b7: vec4<f32>,
}

// Where a tile's slot of columns lies in w; the second half lies `pair` behind the first.
fn slot_quad(first: u32, slot: u32) -> u32 {
    return min(first + (slot & 7u) + (slot >> 3u) * params.pair, params.w_row_quads - 1u);
}

fn put_weights(kq: u32, slot: u32, rows: mat4x4<f32>) {
    let at = 4u * kq * WS_ROW + slot;
    ws[at] = rows[0];
    ws[at + WS_ROW] = rows[1];
    ws[at + 2u * WS_ROW] = rows[2];
    ws[at + 3u * WS_ROW] = rows[3];
}

fn tile_weights(kq: u32, slot: u32) -> mat4x4<f32> {
    let at = 4u * kq * WS_ROW + slot;
    return mat4x4<f32>(ws[at], ws[at + WS_ROW], ws[at + 2u * WS_ROW], ws[at + 3u * WS_ROW]);
}

// Adds what is in the tile. Written out: accumulators in an array would be indexed at run time where a loop is not
// unrolled, and leave the registers.
fn multiply(sums: ptr<function, Sums>, local: vec3<u32>) {
    for (var kq = 0u; kq < TILE_K; kq++) {
        let left = tile_weights(kq, local.x);
        let right = tile_weights(kq, local.x + 8u);
        let at = local.y * XS_ROW + kq;
        let x0 = xs[at + 0u * XS_ROW];
        (*sums).a0 += left * x0;
        (*sums).b0 += right * x0;
        let x1 = xs[at + 8u * XS_ROW];
        (*sums).a1 += left * x1;
        (*sums).b1 += right * x1;
        let x2 = xs[at + 16u * XS_ROW];
        (*sums).a2 += left * x2;
        (*sums).b2 += right * x2;
        let x3 = xs[at + 24u * XS_ROW];
        (*sums).a3 += left * x3;
        (*sums).b3 += right * x3;
        let x4 = xs[at + 32u * XS_ROW];
        (*sums).a4 += left * x4;
        (*sums).b4 += right * x4;
        let x5 = xs[at + 40u * XS_ROW];
        (*sums).a5 += left * x5;
        (*sums).b5 += right * x5;
        let x6 = xs[at + 48u * XS_ROW];
        (*sums).a6 += left * x6;
        (*sums).b6 += right * x6;
        let x7 = xs[at + 56u * XS_ROW];
        (*sums).a7 += left * x7;
        (*sums).b7 += right * x7;
    }
}
