// reshape: the same elements in the same order, in rows of another length
// x [.., x_columns], out [.., columns]; one thread a quad of out
// reference: tests/support/operations/reference, reshape
#import shared/grid

struct Params {
    count: u32,
    columns: u32,
    row_quads: u32,
    x_columns: u32,
    x_row_quads: u32,
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
    let first = 4u * (i % params.row_quads);
    var value = vec4<f32>(0.0);
    for (var lane = 0u; lane < min(4u, params.columns - first); lane++) {
        let element = (i / params.row_quads) * params.columns + first + lane;
        let column = element % params.x_columns;
        value[lane] = load4(x[(element / params.x_columns) * params.x_row_quads + column / 4u])[column % 4u];
    }
    out[i] = store4(value);
}
