// attention: out = softmax(scale q k^T) v for each head, the softmax taken while the keys go by; without workgroup
// memory, for adapters that a processor plays
// one thread a query and head; reference: tests/support/operations/reference, attention
#import shared/attention

// A constant, so that the arrays below are held in registers.
override HEAD_QUADS: u32 = 16u;

const WG = 64u;
// Quads of the largest head.
const MOST = 16u;

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tile = min(flat_group(group, groups), params.count - 1u);
    let batch = params.first_batch + tile / (params.tiles * params.heads);
    let head = ((tile / params.tiles) % params.heads) * HEAD_QUADS;
    let first = (tile % params.tiles) * WG;
    let query = min(first + local, params.queries - 1u);
    let q_at = (batch * params.queries + query) * params.row_quads + head;
    let k_at = params.k_base + batch * params.keys * params.row_quads + head;
    let v_at = params.v_base + batch * params.keys * params.row_quads + head;

    var own: array<vec4<f32>, MOST>;
    var sum: array<vec4<f32>, MOST>;
    for (var d = 0u; d < HEAD_QUADS; d++) {
        own[d] = load4(q[params.q_base + q_at + d]) * params.scalars[0].x;
        sum[d] = vec4<f32>(0.0);
    }
    // Everything so far is relative to the greatest score so far.
    var greatest = -1e30;
    var total = 0.0;
    let last = select(params.keys, min(params.keys, first + WG), CAUSAL);
    for (var key = 0u; key < last; key += 4u) {
        let number = vec4<u32>(key) + vec4<u32>(0u, 1u, 2u, 3u);
        let row = min(number, vec4<u32>(params.keys - 1u)) * params.row_quads;
        let k_row = vec4<u32>(k_at) + row;
        var scores = vec4<f32>(0.0);
        for (var d = 0u; d < HEAD_QUADS; d++) {
            let a = own[d];
            scores += vec4<f32>(
                dot(a, load4(k[k_row.x + d])),
                dot(a, load4(k[k_row.y + d])),
                dot(a, load4(k[k_row.z + d])),
                dot(a, load4(k[k_row.w + d])),
            );
        }
        var seen = number < vec4<u32>(params.keys);
        if CAUSAL {
            seen = seen & (number <= vec4<u32>(query));
        }
        scores = select(vec4<f32>(-1e30), scores, seen);
        let top = max(greatest, max(max(scores.x, scores.y), max(scores.z, scores.w)));
        let shrink = exp(max(greatest - top, -80.0));
        let p = select(vec4<f32>(0.0), exp(max(scores - top, vec4<f32>(-80.0))), seen);
        total = total * shrink + p.x + p.y + p.z + p.w;
        greatest = top;
        let v_row = vec4<u32>(v_at) + row;
        for (var d = 0u; d < HEAD_QUADS; d++) {
            sum[d] = sum[d] * shrink + p.x * load4(v[v_row.x + d]) + p.y * load4(v[v_row.y + d])
                + p.z * load4(v[v_row.z + d]) + p.w * load4(v[v_row.w + d]);
        }
    }
    if first + local < params.queries {
        for (var d = 0u; d < HEAD_QUADS; d++) {
            out[params.out_base + q_at + d] = store4(sum[d] / total);
        }
    }
}
