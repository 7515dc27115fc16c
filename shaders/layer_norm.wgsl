// layer_norm: out = (x - mean) / sqrt(var + eps) * gamma + beta over each row, then `after`
// x, out [rows, C], gamma, beta [C]; one workgroup a row, or one thread
// reference: tests/support/operations/reference, layer_norm
#import shared/after
#import shared/grid
#import shared/team

struct Params {
    scalars: array<vec4<f32>, 2>,
    rows: u32,
    first_row: u32,
    batch_rows: u32,
    columns: u32,
    row_quads: u32,
    x_base: u32,
    gamma_base: u32,
    beta_base: u32,
    added_base: u32,
    per_row_base: u32,
    out_base: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read> gamma: array<Quad>;
@group(0) @binding(2) var<storage, read> beta: array<Quad>;
@group(0) @binding(3) var<storage, read> added: array<Quad>;
@group(0) @binding(4) var<storage, read> per_row: array<Quad>;
@group(0) @binding(5) var<storage, read_write> out: array<Quad>;
@group(0) @binding(6) var<uniform> params: Params;

// A thread takes a whole row: where barriers are dear.
override ALONE: bool = false;

// The sum of four lanes, and of a workgroup's threads unless each works alone.
fn total(value: vec4<f32>, local: u32) -> f32 {
    if ALONE {
        return value.x + value.y + value.z + value.w;
    }
    return together_lanes(SUM, value, local);
}

@compute @workgroup_size(TEAM)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    var number = flat_group(group, groups);
    var first = local;
    var step = TEAM;
    if ALONE {
        number = number * TEAM + local;
        first = 0u;
        step = 1u;
    }
    let row = min(number, params.rows - 1u);
    let begin = row * params.row_quads;
    var sum = vec4<f32>(0.0);
    for (var quad = first; quad < params.row_quads; quad += step) {
        sum += load4(x[params.x_base + begin + quad]);
    }
    let mean = total(sum, local) / f32(params.columns);
    var squares = vec4<f32>(0.0);
    for (var quad = first; quad < params.row_quads; quad += step) {
        let d = within(load4(x[params.x_base + begin + quad]) - mean, quad);
        squares += d * d;
    }
    let variance = total(squares, local) / f32(params.columns);
    let factor = inverseSqrt(variance + params.scalars[0].x);
    if number >= params.rows {
        return;
    }
    let own = ((row + params.first_row) / params.batch_rows) * params.row_quads;
    for (var quad = first; quad < params.row_quads; quad += step) {
        let normal = (load4(x[params.x_base + begin + quad]) - mean) * factor;
        let value = normal * load4(gamma[params.gamma_base + quad]) + load4(beta[params.beta_base + quad]);
        out[params.out_base + begin + quad] = after(value, begin + quad, own + quad, quad);
    }
}
