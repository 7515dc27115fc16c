// gather: rows of a table by number
// table [V, C], numbers [rows], out [rows, C]; one thread a quad of out, written when the launch's part of the table
// has it
// reference: tests/support/operations/reference, gather
#import shared/grid

struct Params {
    count: u32,
    row_quads: u32,
    // the rows of the table that are bound
    first: u32,
    end: u32,
    table_base: u32,
    out_base: u32,
}

@group(0) @binding(0) var<storage, read> table: array<Quad>;
@group(0) @binding(1) var<storage, read> numbers: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<Quad>;
@group(0) @binding(3) var<uniform> params: Params;

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
    let number = numbers[i / params.row_quads];
    if number >= params.first && number < params.end {
        let at = (number - params.first) * params.row_quads + i % params.row_quads;
        out[params.out_base + i] = table[params.table_base + at];
    }
}
