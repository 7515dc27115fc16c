// conv_grouped: convolution whose channels are split in groups; depthwise when a group is one channel in and one out
// x [B, h, w, C], weight [kh, kw, C / groups, O], bias [O], out [B, h', w', O]; one thread a quad of out
// reference: tests/support/operations/reference, conv2d
#import shared/after
#import shared/grid

struct Params {
    scalars: array<vec4<f32>, 2>,
    count: u32,
    columns: u32,
    row_quads: u32,
    x_quads: u32,
    // channels of a group: in and out
    group_in: u32,
    group_out: u32,
    extent: vec2<u32>,
    out_extent: vec2<u32>,
    taps: vec2<u32>,
    stride: vec2<u32>,
    pad: vec2<u32>,
    dilation: vec2<u32>,
    first_row: u32,
    x_base: u32,
    w_base: u32,
    bias_base: u32,
    added_base: u32,
    per_row_base: u32,
    out_base: u32,
}

override BIAS: bool = false;
override DEPTHWISE: bool = false;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read> w: array<Quad>;
@group(0) @binding(2) var<storage, read> bias: array<Quad>;
@group(0) @binding(3) var<storage, read> added: array<Quad>;
@group(0) @binding(4) var<storage, read> per_row: array<Quad>;
@group(0) @binding(5) var<storage, read_write> out: array<Quad>;
@group(0) @binding(6) var<uniform> params: Params;

// One tap's part: the pixel begins at `at` in x, the tap's rows at `tap` in weight.
fn part(at: u32, tap: u32, quad: u32) -> vec4<f32> {
    if DEPTHWISE {
        return load4(x[at + quad]) * load4(w[params.w_base + tap * params.row_quads + quad]);
    }
    var sum = vec4<f32>(0.0);
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = min(4u * quad + lane, params.columns - 1u);
        let begin = (channel / params.group_out) * params.group_in;
        var part = 0.0;
        for (var i = 0u; i < params.group_in; i++) {
            let c = begin + i;
            let weight = load4(w[params.w_base + (tap * params.group_in + i) * params.row_quads + quad])[lane];
            part += load4(x[at + c / 4u])[c % 4u] * weight;
        }
        sum[lane] = part;
    }
    return sum;
}

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
    let top = i32((line % params.out_extent.x) * params.stride.x) - i32(params.pad.x);
    let left = i32((pixel % params.out_extent.y) * params.stride.y) - i32(params.pad.y);
    var sum = vec4<f32>(0.0);
    for (var ky = 0u; ky < params.taps.x; ky++) {
        let y = top + i32(ky * params.dilation.x);
        if y < 0 || y >= i32(params.extent.x) {
            continue;
        }
        for (var kx = 0u; kx < params.taps.y; kx++) {
            let column = left + i32(kx * params.dilation.y);
            if column < 0 || column >= i32(params.extent.y) {
                continue;
            }
            let source = (batch * params.extent.x + u32(y)) * params.extent.y + u32(column);
            sum += part(params.x_base + source * params.x_quads, ky * params.taps.y + kx, quad);
        }
    }
    if BIAS {
        sum += load4(bias[params.bias_base + quad]);
    }
    out[params.out_base + i] = after(sum, i, batch * params.row_quads + quad, quad);
}
