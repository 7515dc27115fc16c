// What the invocations of a workgroup of 64 have, combined.
const TEAM = 64u;

var<workgroup> team: array<vec4<f32>, TEAM>;

const SUM = 0u;
const MAX = 1u;
const MIN = 2u;

fn combined(kind: u32, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    switch kind {
        case MAX: { return max(a, b); }
        case MIN: { return min(a, b); }
        default: { return a + b; }
    }
}

// Everybody reads all: one pair of barriers costs less than the levels of a tree, above all where barriers are dear.
fn together(kind: u32, value: vec4<f32>, local: u32) -> vec4<f32> {
    workgroupBarrier();
    team[local] = value;
    workgroupBarrier();
    var all = team[0];
    for (var i = 1u; i < TEAM; i++) {
        all = combined(kind, all, team[i]);
    }
    return all;
}

// The same, across the four lanes too.
fn together_lanes(kind: u32, value: vec4<f32>, local: u32) -> f32 {
    let all = together(kind, value, local);
    return combined(kind, combined(kind, all, all.yzwx), combined(kind, all.zwxy, all.wxyz)).x;
}
