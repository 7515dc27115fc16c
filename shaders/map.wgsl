// map: out = f(x, y, z) element by element, then `after`; axes of extent 1 are repeated
// x, y, z: up to 8 outer axes by strides in quads, 0 where repeated; one thread a quad of out
// reference: tests/support/operations/reference, unary, slope, binary, select
#import shared/after
#import shared/grid

struct Params {
    scalars: array<vec4<f32>, 2>,
    dims: array<vec4<u32>, 2>,
    x_strides: array<vec4<u32>, 2>,
    y_strides: array<vec4<u32>, 2>,
    z_strides: array<vec4<u32>, 2>,
    count: u32,
    first: u32,
    columns: u32,
    row_quads: u32,
    batch_rows: u32,
    x_base: u32,
    y_base: u32,
    z_base: u32,
    added_base: u32,
    per_row_base: u32,
    out_base: u32,
}

// 0: x itself
override FUNCTION: u32 = 0u;
// The function whose slope is taken, by its code in `shared/unary`.
override SLOPE: u32 = 0u;
// Outer axes that are told apart; 0 when all operands have the shape of out.
override RANK: u32 = 0u;
// The operand's last axis is repeated.
override SPLAT_X: bool = false;
override SPLAT_Y: bool = false;
override SPLAT_Z: bool = false;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read> y: array<Quad>;
@group(0) @binding(2) var<storage, read> z: array<Quad>;
@group(0) @binding(3) var<storage, read> added: array<Quad>;
@group(0) @binding(4) var<storage, read> per_row: array<Quad>;
@group(0) @binding(5) var<storage, read_write> out: array<Quad>;
@group(0) @binding(6) var<uniform> params: Params;

fn combine(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    switch FUNCTION {
        case 1u: { return a + b; }
        case 2u: { return a - b; }
        case 3u: { return a * b; }
        case 4u: { return a / b; }
        case 5u: { return min(a, b); }
        case 6u: { return max(a, b); }
        case 7u: { return select(zero, one, a > b); }
        case 8u: { return select(zero, one, a >= b); }
        case 9u: { return select(zero, one, a == b); }
        case 10u: { return scalar(0u) * a + scalar(1u) * b; }
        case 11u: { return select(c, b, a != zero); }
        case 12u: { return b * slope(SLOPE, a, scalar(0u), scalar(1u)); }
        default: { return a; }
    }
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
    let row = (i + params.first) / params.row_quads;
    let quad = (i + params.first) % params.row_quads;
    var at = vec3<u32>(i);
    if RANK > 0u {
        at = vec3<u32>(quad);
        at = select(at, vec3<u32>(0u), vec3<bool>(SPLAT_X, SPLAT_Y, SPLAT_Z));
        var rest = i / params.row_quads;
        for (var k = RANK; k > 0u; k--) {
            let axis = k - 1u;
            let extent = params.dims[axis >> 2u][axis & 3u];
            let c = rest % extent;
            rest /= extent;
            at += c * vec3<u32>(
                params.x_strides[axis >> 2u][axis & 3u],
                params.y_strides[axis >> 2u][axis & 3u],
                params.z_strides[axis >> 2u][axis & 3u],
            );
        }
    }
    var a = load4(x[params.x_base + at.x]);
    if SPLAT_X {
        a = a.xxxx;
    }
    var b = vec4<f32>(0.0);
    var c = vec4<f32>(0.0);
    if FUNCTION > 0u {
        b = load4(y[params.y_base + at.y]);
        if SPLAT_Y {
            b = b.xxxx;
        }
    }
    if FUNCTION == 11u {
        c = load4(z[params.z_base + at.z]);
        if SPLAT_Z {
            c = c.xxxx;
        }
    }
    let row_at = (row / params.batch_rows) * params.row_quads + quad;
    out[params.out_base + i] = after(combine(a, b, c), i, row_at, quad);
}
