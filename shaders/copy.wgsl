// copy: a box of out from a box of x, with axes reordered, repeated, stepped over or padded
// up to 8 outer axes by strides; one thread a quad of the box
// reference: tests/support/operations/reference, permute, slice, concat, pad, expand
#import shared/grid

struct Params {
    dims: array<vec4<u32>, 2>,
    // in quads, or in elements when LANES
    x_strides: array<vec4<u32>, 2>,
    out_strides: array<vec4<u32>, 2>,
    // where the box's first index lies in x, and x's extent; read when MODE is not 0
    starts: array<vec4<i32>, 2>,
    extents: array<vec4<i32>, 2>,
    // the same of the last axis, in elements
    last_start: i32,
    last_extent: i32,
    last_stride: u32,
    // quads in the box, and in a row of it
    count: u32,
    row_quads: u32,
    // the columns of out that are the box's: those before stay, those behind are zeros
    columns_from: u32,
    columns: u32,
    x_base: u32,
    out_base: u32,
}

// Outer axes that are told apart.
override RANK: u32 = 1u;
// What lies outside of x. 0: nothing is read there, 1: zeros, 2: its mirror image, 3: its edge.
override MODE: u32 = 0u;
// Quads of out are put together from single elements.
override LANES: bool = false;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read_write> out: array<Quad>;
@group(0) @binding(2) var<uniform> params: Params;

// The index inside of x that an index stands for, negative for a zero.
fn inside(index: i32, extent: i32) -> i32 {
    if MODE == 1u {
        return select(-1, index, index >= 0 && index < extent);
    }
    if MODE == 2u {
        let mirrored = abs(index);
        return clamp(select(mirrored, 2 * (extent - 1) - mirrored, mirrored >= extent), 0, extent - 1);
    }
    return clamp(index, 0, extent - 1);
}

fn element(row_at: u32, column: u32) -> f32 {
    var c = column;
    if MODE > 0u {
        let index = inside(i32(column) + params.last_start, params.last_extent);
        if index < 0 {
            return 0.0;
        }
        c = u32(index);
    }
    let at = row_at + c * params.last_stride;
    return load4(x[at >> 2u])[at & 3u];
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
    var rest = i / params.row_quads;
    var x_at = params.x_base;
    var out_at = params.out_base + quad;
    var outside = false;
    for (var k = RANK; k > 0u; k--) {
        let row = (k - 1u) >> 2u;
        let lane = (k - 1u) & 3u;
        let extent = params.dims[row][lane];
        let c = rest % extent;
        rest /= extent;
        out_at += c * params.out_strides[row][lane];
        if MODE == 0u {
            x_at += c * params.x_strides[row][lane];
        } else {
            let index = inside(i32(c) + params.starts[row][lane], params.extents[row][lane]);
            outside = outside || index < 0;
            x_at += u32(max(index, 0)) * params.x_strides[row][lane];
        }
    }
    let column = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
    var value = vec4<f32>(0.0);
    if LANES {
        if params.columns_from > 4u * quad {
            value = load4(out[out_at]);
        }
        for (var lane = 0u; lane < 4u; lane++) {
            let c = 4u * quad + lane;
            if c >= params.columns_from {
                value[lane] = 0.0;
                if c < params.columns && !outside {
                    value[lane] = element(x_at, c - params.columns_from);
                }
            }
        }
    } else if !outside {
        value = select(vec4<f32>(0.0), load4(x[x_at + quad]), column < vec4<u32>(params.columns));
    }
    out[out_at] = store4(value);
}
