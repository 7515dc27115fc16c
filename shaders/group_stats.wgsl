// group_stats: mean and sum of squared deviations of each channel over a run of rows
// x [B, rows, C] and second [B, rows, C'] side by side -> stats [B, runs, quads, 2]; one thread a quad and run
// Deviations are taken from the run's first row, so that a large mean costs no precision.
#import shared/grid

struct Params {
    rows: u32,
    // rows of a run, and runs of a batch row
    run_rows: u32,
    runs: u32,
    row_quads: u32,
    x_quads: u32,
    second_quads: u32,
    count: u32,
    // what this launch takes: quads before it in stats, rows before it in a batch row
    first: u32,
    x_base: u32,
    second_base: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read> second: array<Quad>;
@group(0) @binding(2) var<storage, read_write> stats: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

override JOINED: bool = false;

fn value(row: u32, quad: u32) -> vec4<f32> {
    if JOINED && quad >= params.x_quads {
        return load4(second[params.second_base + row * params.second_quads + quad - params.x_quads]);
    }
    return load4(x[params.x_base + row * params.x_quads + quad]);
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
    let at = params.first + i;
    let quad = at % params.row_quads;
    let run = (at / params.row_quads) % params.runs;
    let batch = at / (params.row_quads * params.runs);
    let begin = run * params.run_rows;
    let end = min(begin + params.run_rows, params.rows);
    let row = batch * params.rows;
    let shift = value(row + begin, quad);
    var sum = vec4<f32>(0.0);
    var squares = vec4<f32>(0.0);
    for (var r = begin + 1u; r < end; r++) {
        let d = value(row + r, quad) - shift;
        sum += d;
        squares += d * d;
    }
    let count = f32(end - begin);
    stats[2u * at] = shift + sum / count;
    stats[2u * at + 1u] = squares - sum * sum / count;
}
