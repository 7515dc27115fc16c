// pool: the greatest element or the mean of windows; what lies outside counts for nothing
// x [B, h, w, C], out [B, h', w', C]; one thread a quad of out; reference: tests/support/operations/reference, pool
#import shared/grid

struct Params {
    count: u32,
    first_row: u32,
    row_quads: u32,
    extent: vec2<u32>,
    out_extent: vec2<u32>,
    taps: vec2<u32>,
    stride: vec2<u32>,
    pad: vec2<u32>,
    x_base: u32,
    out_base: u32,
}

override MEAN: bool = false;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read_write> out: array<Quad>;
@group(0) @binding(2) var<uniform> params: Params;

const WG = 64u;

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = flat_group(group, groups) * WG + local;
    if i >= params.count {
        return;
    }
    let quad = i % params.row_quads;
    let pixel = params.first_row + i / params.row_quads;
    let line = pixel / params.out_extent.y;
    let batch = line / params.out_extent.x;
    // The window, cut at the border.
    let begin = vec2<i32>(vec2<u32>(line % params.out_extent.x, pixel % params.out_extent.y) * params.stride)
        - vec2<i32>(params.pad);
    let end = vec2<u32>(clamp(begin + vec2<i32>(params.taps), vec2<i32>(0), vec2<i32>(params.extent)));
    let start = vec2<u32>(clamp(begin, vec2<i32>(0), vec2<i32>(params.extent) - 1));
    let base = params.x_base + quad;
    let corner = (batch * params.extent.x + start.x) * params.extent.y + start.y;
    var result = load4(x[base + corner * params.row_quads]);
    if MEAN {
        result = vec4<f32>(0.0);
    }
    for (var y = start.x; y < end.x; y++) {
        for (var column = start.y; column < end.y; column++) {
            let at = (batch * params.extent.x + y) * params.extent.y + column;
            let value = load4(x[base + at * params.row_quads]);
            result = select(max(result, value), result + value, MEAN);
        }
    }
    if MEAN {
        let size = max(end, start) - start;
        result /= f32(max(size.x * size.y, 1u));
    }
    out[params.out_base + i] = store4(result);
}
