// group_apply: out = x * factor + summand for each channel of a batch row, then `after`
// x [B, rows, C] and second [B, rows, C'] side by side, folded [B, 2, quads], out [B, rows, C + C']; one thread a quad
// reference: tests/support/operations/reference, group_norm
#import shared/after
#import shared/grid

struct Params {
    scalars: array<vec4<f32>, 2>,
    count: u32,
    first_row: u32,
    batch_rows: u32,
    columns: u32,
    row_quads: u32,
    x_quads: u32,
    second_quads: u32,
    x_base: u32,
    second_base: u32,
    added_base: u32,
    per_row_base: u32,
    out_base: u32,
}

override JOINED: bool = false;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read> second: array<Quad>;
@group(0) @binding(2) var<storage, read> folded: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> added: array<Quad>;
@group(0) @binding(4) var<storage, read> per_row: array<Quad>;
@group(0) @binding(5) var<storage, read_write> out: array<Quad>;
@group(0) @binding(6) var<uniform> params: Params;

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
    let batch = (row + params.first_row) / params.batch_rows;
    var value = vec4<f32>(0.0);
    if JOINED && quad >= params.x_quads {
        value = load4(second[params.second_base + row * params.second_quads + quad - params.x_quads]);
    } else {
        value = load4(x[params.x_base + row * params.x_quads + quad]);
    }
    let at = batch * 2u * params.row_quads + quad;
    let normal = value * folded[at] + folded[at + params.row_quads];
    out[params.out_base + i] = after(normal, i, batch * params.row_quads + quad, quad);
}
