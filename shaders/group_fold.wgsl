// group_fold: what a group's statistics make of each of its channels, as a factor and a summand
// stats [B, runs, quads, 2], gamma [C], beta [C] -> folded [B, 2, 4 * quads]; one workgroup a batch row and group
#import shared/grid
#import shared/team

struct Params {
    scalars: array<vec4<f32>, 2>,
    groups: u32,
    // channels of a group
    channels: u32,
    count: u32,
    rows: u32,
    run_rows: u32,
    runs: u32,
    row_quads: u32,
    gamma_base: u32,
    beta_base: u32,
}

@group(0) @binding(0) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> gamma: array<Quad>;
@group(0) @binding(2) var<storage, read> beta: array<Quad>;
@group(0) @binding(3) var<storage, read_write> folded: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(TEAM)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = min(flat_group(group, groups), params.count - 1u);
    let batch = number / params.groups;
    let first = (number % params.groups) * params.channels;
    let total = f32(params.rows * params.channels);
    let entries = params.runs * params.channels;
    // The mean of all entries' means, each weighted with its rows; then the deviations about it (Chan et al. 1979).
    var sum = 0.0;
    for (var i = local; i < entries; i += TEAM) {
        let run = i / params.channels;
        let channel = first + i % params.channels;
        let rows = f32(min(params.run_rows, params.rows - run * params.run_rows));
        let at = 2u * ((batch * params.runs + run) * params.row_quads + channel / 4u);
        sum += rows * stats[at][channel % 4u];
    }
    let mean = together(SUM, vec4<f32>(sum), local).x / total;
    var squares = 0.0;
    for (var i = local; i < entries; i += TEAM) {
        let run = i / params.channels;
        let channel = first + i % params.channels;
        let rows = f32(min(params.run_rows, params.rows - run * params.run_rows));
        let at = 2u * ((batch * params.runs + run) * params.row_quads + channel / 4u);
        let d = stats[at][channel % 4u] - mean;
        squares += stats[at + 1u][channel % 4u] + rows * d * d;
    }
    let variance = max(together(SUM, vec4<f32>(squares), local).x / total, 0.0);
    let factor = inverseSqrt(variance + params.scalars[0].x);
    for (var i = local; i < params.channels; i += TEAM) {
        let channel = first + i;
        let scale = load4(gamma[params.gamma_base + channel / 4u])[channel % 4u] * factor;
        let at = batch * 8u * params.row_quads + channel;
        folded[at] = scale;
        folded[at + 4u * params.row_quads] = load4(beta[params.beta_base + channel / 4u])[channel % 4u] - mean * scale;
    }
}
