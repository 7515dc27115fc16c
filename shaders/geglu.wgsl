// geglu: out = a * gelu(b), a the first half of x's channels and b the second
// x [rows, 2C], out [rows, C]; one thread a quad of out
// reference: tests/support/operations/reference, geglu
#import shared/unary
#import shared/grid

struct Params {
    count: u32,
    columns: u32,
    row_quads: u32,
    x_row_quads: u32,
    x_base: u32,
    out_base: u32,
}

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
    let row = i / params.row_quads;
    let quad = i % params.row_quads;
    let first = params.x_base + row * params.x_row_quads;
    let a = load4(x[first + quad]);
    // The second half begins inside a quad when C is not a multiple of 4.
    let begin = 4u * quad + params.columns;
    let low = load4(x[first + begin / 4u]);
    let high = load4(x[first + min(begin / 4u + 1u, params.x_row_quads - 1u)]);
    var b = low;
    switch begin % 4u {
        case 1u: { b = vec4<f32>(low.yzw, high.x); }
        case 2u: { b = vec4<f32>(low.zw, high.xy); }
        case 3u: { b = vec4<f32>(low.w, high.xyz); }
        default: {}
    }
    let column = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
    out[params.out_base + i] = store4(select(vec4<f32>(0.0), a * gelu_erf(b), column < vec4<u32>(params.columns)));
}
