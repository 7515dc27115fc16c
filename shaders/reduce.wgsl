// reduce: sum, greatest or least along some axes
// kept axes are those of out, in order; strides in quads of x; one workgroup a quad of out
// reference: tests/support/operations/reference, reduce
#import shared/grid
#import shared/team

struct Params {
    kept: array<vec4<u32>, 2>,
    kept_strides: array<vec4<u32>, 2>,
    taken: array<vec4<u32>, 2>,
    taken_strides: array<vec4<u32>, 2>,
    // quads of out, and of a row of it
    count: u32,
    row_quads: u32,
    // elements taken of the outer axes, and quads and columns of x's rows
    outer: u32,
    x_quads: u32,
    columns: u32,
    x_base: u32,
    out_base: u32,
    // multiplies the result
    factor: f32,
}

override KIND: u32 = 0u;
override KEPT: u32 = 0u;
override TAKEN: u32 = 0u;
// The last axis is among those taken.
override LAST: bool = false;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read_write> out: array<Quad>;
@group(0) @binding(2) var<uniform> params: Params;

// The i-th quad of x that goes into what begins at `base`.
fn value(base: u32, i: u32) -> vec4<f32> {
    var rest = i;
    var at = base;
    if LAST {
        at += i % params.x_quads;
        rest = i / params.x_quads;
    }
    for (var k = TAKEN; k > 0u; k--) {
        let row = (k - 1u) >> 2u;
        let lane = (k - 1u) & 3u;
        at += (rest % params.taken[row][lane]) * params.taken_strides[row][lane];
        rest /= params.taken[row][lane];
    }
    let quad = load4(x[at]);
    if !LAST {
        return quad;
    }
    let column = vec4<u32>(4u * (i % params.x_quads)) + vec4<u32>(0u, 1u, 2u, 3u);
    let nothing = select(quad.xxxx, vec4<f32>(0.0), KIND == SUM);
    return select(nothing, quad, column < vec4<u32>(params.columns));
}

@compute @workgroup_size(TEAM)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = flat_group(group, groups);
    let i = min(number, params.count - 1u);
    var rest = i;
    var base = params.x_base;
    if !LAST {
        base += i % params.row_quads;
        rest = i / params.row_quads;
    }
    for (var k = KEPT; k > 0u; k--) {
        let row = (k - 1u) >> 2u;
        let lane = (k - 1u) & 3u;
        base += (rest % params.kept[row][lane]) * params.kept_strides[row][lane];
        rest /= params.kept[row][lane];
    }
    let items = params.outer * select(1u, params.x_quads, LAST);
    var all = vec4<f32>(0.0);
    if KIND != SUM {
        all = value(base, 0u);
    }
    for (var item = local; item < items; item += TEAM) {
        all = combined(KIND, all, value(base, item));
    }
    var result = vec4<f32>(0.0);
    if LAST {
        result.x = together_lanes(KIND, all, local);
    } else {
        result = together(KIND, all, local);
    }
    if number < params.count && local == 0u {
        out[params.out_base + i] = store4(result * params.factor);
    }
}
