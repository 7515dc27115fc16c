// softmax: out = exp(x - max) / sum over each row
// x, out [rows, C]; one workgroup a row; reference: tests/support/operations/reference, softmax
#import shared/grid
#import shared/team

struct Params {
    rows: u32,
    columns: u32,
    row_quads: u32,
    x_base: u32,
    out_base: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read_write> out: array<Quad>;
@group(0) @binding(2) var<uniform> params: Params;

fn is_column(quad: u32) -> vec4<bool> {
    return vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.columns);
}

@compute @workgroup_size(TEAM)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = flat_group(group, groups);
    let begin = min(number, params.rows - 1u) * params.row_quads;
    var greatest = vec4<f32>(load4(x[params.x_base + begin]).x);
    for (var quad = local; quad < params.row_quads; quad += TEAM) {
        let value = load4(x[params.x_base + begin + quad]);
        greatest = max(greatest, select(value.xxxx, value, is_column(quad)));
    }
    let top = together_lanes(MAX, greatest, local);
    var sum = vec4<f32>(0.0);
    for (var quad = local; quad < params.row_quads; quad += TEAM) {
        let value = load4(x[params.x_base + begin + quad]);
        sum += select(vec4<f32>(0.0), exp(value - top), is_column(quad));
    }
    let total = together_lanes(SUM, sum, local);
    if number >= params.rows {
        return;
    }
    for (var quad = local; quad < params.row_quads; quad += TEAM) {
        let value = load4(x[params.x_base + begin + quad]);
        out[params.out_base + begin + quad] = store4(select(vec4<f32>(0.0), exp(value - top) / total, is_column(quad)));
    }
}
