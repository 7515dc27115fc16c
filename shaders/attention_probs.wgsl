// attention_probs: out = softmax(scale q k^T) for each head
// q [B, N, heads * D], k [B, M, heads * D], out [B, heads, N, M]; one thread a query and head, which goes over the keys
// twice: for the greatest score and the sum, then for the probabilities
// reference: tests/support/operations/reference, attention_probs
#import shared/grid

struct Params {
    scalars: array<vec4<f32>, 2>,
    queries: u32,
    keys: u32,
    key_quads: u32,
    heads: u32,
    head_quads: u32,
    row_quads: u32,
    // workgroups for the queries of a head, and in all
    tiles: u32,
    count: u32,
    // heads before this launch's, counted through all batch rows
    first_head: u32,
    q_base: u32,
    k_base: u32,
    out_base: u32,
}

override CAUSAL: bool = false;

@group(0) @binding(0) var<storage, read> q: array<Quad>;
@group(0) @binding(1) var<storage, read> k: array<Quad>;
@group(0) @binding(2) var<storage, read_write> out: array<Quad>;
@group(0) @binding(3) var<uniform> params: Params;

const WG = 64u;

// Scores of four keys, -1e30 for those that are not seen.
fn scores(q_at: u32, k_at: u32, key: u32, query: u32) -> vec4<f32> {
    let number = vec4<u32>(key) + vec4<u32>(0u, 1u, 2u, 3u);
    let row = vec4<u32>(k_at) + min(number, vec4<u32>(params.keys - 1u)) * params.row_quads;
    var sum = vec4<f32>(0.0);
    for (var d = 0u; d < params.head_quads; d++) {
        let a = load4(q[q_at + d]);
        sum += vec4<f32>(
            dot(a, load4(k[row.x + d])),
            dot(a, load4(k[row.y + d])),
            dot(a, load4(k[row.z + d])),
            dot(a, load4(k[row.w + d])),
        );
    }
    var seen = number < vec4<u32>(params.keys);
    if CAUSAL {
        seen = seen & (number <= vec4<u32>(query));
    }
    return select(vec4<f32>(-1e30), sum * params.scalars[0].x, seen);
}

// Far below the greatest score nothing is left, and nothing underflows.
fn relative(scores: vec4<f32>, greatest: f32) -> vec4<f32> {
    let distance = scores - greatest;
    return select(exp(max(distance, vec4<f32>(-80.0))), vec4<f32>(0.0), distance < vec4<f32>(-80.0));
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tile = min(flat_group(group, groups), params.count - 1u);
    let head = params.first_head + tile / params.tiles;
    let batch = head / params.heads;
    let column = (head % params.heads) * params.head_quads;
    let query = min((tile % params.tiles) * WG + local, params.queries - 1u);
    let q_at = params.q_base + (batch * params.queries + query) * params.row_quads + column;
    let k_at = params.k_base + batch * params.keys * params.row_quads + column;
    let out_at = params.out_base + (head * params.queries + query) * params.key_quads;
    var greatest = -1e30;
    var total = 0.0;
    for (var quad = 0u; quad < params.key_quads; quad++) {
        let s = scores(q_at, k_at, 4u * quad, query);
        let top = max(greatest, max(max(s.x, s.y), max(s.z, s.w)));
        let p = relative(s, top);
        total = total * exp(max(greatest - top, -80.0)) + p.x + p.y + p.z + p.w;
        greatest = top;
    }
    if (tile % params.tiles) * WG + local >= params.queries {
        return;
    }
    for (var quad = 0u; quad < params.key_quads; quad++) {
        out[out_at + quad] = store4(relative(scores(q_at, k_at, 4u * quad, query), greatest) / total);
    }
}
