// attention_tiled: out = softmax(scale q k^T) v for each head, the softmax taken while the keys go by; through
// workgroup memory, for GPUs
// one workgroup 32 queries of a head and a slab of 16 quads of D; further slabs compute the same scores again, so that
// any head fits
// Thread (x, y) of 8 x 8 has queries y + 8i, keys 4x to 4x + 3 of a tile of 32, and quads x and x + 8 of the slab.
// reference: tests/support/operations/reference, attention
#import shared/attention

const QUERIES = 32u;
const KEYS = 32u;
const SLAB = 16u;
const CHUNK = 4u;
// Rows are one quad longer than what they hold, so that neighbouring rows lie in different banks.
const ROW = 5u;
const P_ROW = 9u;

var<workgroup> qs: array<vec4<f32>, 160>;
// Key 4a + b is row 8b + a: what neighbouring threads read together lies in neighbouring rows.
var<workgroup> ks: array<vec4<f32>, 160>;
var<workgroup> ps: array<vec4<f32>, 288>;
var<workgroup> vs: array<vec4<f32>, 256>;
var<workgroup> team: array<vec4<f32>, 64>;

// Four queries' own values, of the eight threads that share them.
fn greatest_of(value: vec4<f32>, local: vec3<u32>) -> vec4<f32> {
    workgroupBarrier();
    team[local.y * 8u + local.x] = value;
    workgroupBarrier();
    var all = team[local.y * 8u];
    for (var x = 1u; x < 8u; x++) {
        all = max(all, team[local.y * 8u + x]);
    }
    return all;
}

fn sum_of(value: vec4<f32>, local: vec3<u32>) -> vec4<f32> {
    workgroupBarrier();
    team[local.y * 8u + local.x] = value;
    workgroupBarrier();
    var all = team[local.y * 8u];
    for (var x = 1u; x < 8u; x++) {
        all += team[local.y * 8u + x];
    }
    return all;
}

fn largest(v: vec4<f32>) -> f32 {
    return max(max(v.x, v.y), max(v.z, v.w));
}

// Far below the greatest score nothing is left, and nothing underflows.
fn relative(scores: vec4<f32>, top: f32) -> vec4<f32> {
    let distance = scores - top;
    return select(exp(max(distance, vec4<f32>(-80.0))), vec4<f32>(0.0), distance < vec4<f32>(-80.0));
}

// Scores of this thread's four queries (columns) with its four keys.
fn scores_of(q_at: u32, k_at: u32, first: u32, key: u32, local: vec3<u32>, index: u32) -> mat4x4<f32> {
    // What this thread fetches: a quad of two queries and of two keys.
    let quad = index % CHUNK;
    let row = index / CHUNK;
    let queries = min(vec2<u32>(first + row) + vec2<u32>(0u, 16u), vec2<u32>(params.queries - 1u));
    let q_rows = q_at + queries * params.row_quads;
    let number = vec2<u32>(4u * (row % 8u) + row / 8u) + vec2<u32>(0u, 2u);
    let k_rows = k_at + min(vec2<u32>(key) + number, vec2<u32>(params.keys - 1u)) * params.row_quads;
    var s0 = vec4<f32>(0.0);
    var s1 = vec4<f32>(0.0);
    var s2 = vec4<f32>(0.0);
    var s3 = vec4<f32>(0.0);
    for (var d = 0u; d < params.head_quads; d += CHUNK) {
        let at = min(d + quad, params.head_quads - 1u);
        let inside = select(0.0, 1.0, d + quad < params.head_quads);
        workgroupBarrier();
        qs[row * ROW + quad] = load4(q[q_rows.x + at]) * inside;
        qs[(row + 16u) * ROW + quad] = load4(q[q_rows.y + at]) * inside;
        ks[row * ROW + quad] = load4(k[k_rows.x + at]);
        ks[(row + 16u) * ROW + quad] = load4(k[k_rows.y + at]);
        workgroupBarrier();
        for (var c = 0u; c < CHUNK; c++) {
            let at_k = local.x * ROW + c;
            let keys = transpose(mat4x4<f32>(
                ks[at_k], ks[at_k + 8u * ROW], ks[at_k + 16u * ROW], ks[at_k + 24u * ROW],
            ));
            let at_q = local.y * ROW + c;
            s0 += keys * qs[at_q];
            s1 += keys * qs[at_q + 8u * ROW];
            s2 += keys * qs[at_q + 16u * ROW];
            s3 += keys * qs[at_q + 24u * ROW];
        }
    }
    return mat4x4<f32>(s0, s1, s2, s3);
}

// A query's scores of four keys, -1e30 for those that are not seen.
fn seen(scores: vec4<f32>, key: u32, query: u32) -> vec4<f32> {
    let number = vec4<u32>(key) + vec4<u32>(0u, 1u, 2u, 3u);
    var is_seen = number < vec4<u32>(params.keys);
    if CAUSAL {
        is_seen = is_seen & (number <= vec4<u32>(query));
    }
    return select(vec4<f32>(-1e30), scores * params.scalars[0].x, is_seen);
}

fn store(value: vec4<f32>, total: f32, query: u32, at: u32, quad: u32) {
    if query < params.queries && quad < params.head_quads {
        out[params.out_base + at + query * params.row_quads + quad] = store4(value / total);
    }
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let number = flat_group(group, groups);
    let tile = min(number, params.count - 1u);
    let slab = (tile % params.slabs) * SLAB;
    let first = ((tile / params.slabs) % params.tiles) * QUERIES;
    let head = tile / (params.slabs * params.tiles);
    let batch = params.first_batch + head / params.heads;
    let column = (head % params.heads) * params.head_quads;
    let q_at = params.q_base + batch * params.queries * params.row_quads + column;
    let k_at = params.k_base + batch * params.keys * params.row_quads + column;
    let v_at = params.v_base + batch * params.keys * params.row_quads + column;
    let query = first + local.y;

    // Everything so far is relative to each query's greatest score so far.
    var greatest = vec4<f32>(-1e30);
    var total = vec4<f32>(0.0);
    var a0 = vec4<f32>(0.0);
    var b0 = vec4<f32>(0.0);
    var a1 = vec4<f32>(0.0);
    var b1 = vec4<f32>(0.0);
    var a2 = vec4<f32>(0.0);
    var b2 = vec4<f32>(0.0);
    var a3 = vec4<f32>(0.0);
    var b3 = vec4<f32>(0.0);
    let last = select(params.keys, min(params.keys, first + QUERIES), CAUSAL);
    for (var key = 0u; key < last; key += KEYS) {
        let raw = scores_of(q_at, k_at, first, key, local, index);
        let s0 = seen(raw[0], key + 4u * local.x, query + 0u);
        let s1 = seen(raw[1], key + 4u * local.x, query + 8u);
        let s2 = seen(raw[2], key + 4u * local.x, query + 16u);
        let s3 = seen(raw[3], key + 4u * local.x, query + 24u);
        let top = max(greatest, greatest_of(vec4<f32>(largest(s0), largest(s1), largest(s2), largest(s3)), local));
        let shrink = exp(max(greatest - top, vec4<f32>(-80.0)));
        greatest = top;
        let p0 = relative(s0, top[0]);
        let p1 = relative(s1, top[1]);
        let p2 = relative(s2, top[2]);
        let p3 = relative(s3, top[3]);
        // Each thread adds up its own keys; the eight are added together at the end.
        let ones = vec4<f32>(1.0);
        total = total * shrink + vec4<f32>(dot(p0, ones), dot(p1, ones), dot(p2, ones), dot(p3, ones));
        ps[(local.y + 0u) * P_ROW + local.x] = p0;
        ps[(local.y + 8u) * P_ROW + local.x] = p1;
        ps[(local.y + 16u) * P_ROW + local.x] = p2;
        ps[(local.y + 24u) * P_ROW + local.x] = p3;
        a0 *= shrink[0];
        b0 *= shrink[0];
        a1 *= shrink[1];
        b1 *= shrink[1];
        a2 *= shrink[2];
        b2 *= shrink[2];
        a3 *= shrink[3];
        b3 *= shrink[3];
        for (var half = 0u; half < 2u; half++) {
            workgroupBarrier();
            for (var i = index; i < 256u; i += 64u) {
                let row = min(key + 16u * half + i / SLAB, params.keys - 1u);
                vs[i] = load4(v[v_at + row * params.row_quads + min(slab + i % SLAB, params.head_quads - 1u)]);
            }
            workgroupBarrier();
            for (var c = 0u; c < 4u; c++) {
                let at_v = 4u * c * SLAB + local.x;
                let left = mat4x4<f32>(vs[at_v], vs[at_v + SLAB], vs[at_v + 2u * SLAB], vs[at_v + 3u * SLAB]);
                let right = mat4x4<f32>(
                    vs[at_v + 8u], vs[at_v + SLAB + 8u], vs[at_v + 2u * SLAB + 8u], vs[at_v + 3u * SLAB + 8u],
                );
                let at_p = local.y * P_ROW + 4u * half + c;
                let w0 = ps[at_p + 0u * P_ROW];
                a0 += left * w0;
                b0 += right * w0;
                let w1 = ps[at_p + 8u * P_ROW];
                a1 += left * w1;
                b1 += right * w1;
                let w2 = ps[at_p + 16u * P_ROW];
                a2 += left * w2;
                b2 += right * w2;
                let w3 = ps[at_p + 24u * P_ROW];
                a3 += left * w3;
                b3 += right * w3;
            }
        }
    }
    let all = sum_of(total, local);
    if number >= params.count {
        return;
    }
    let out_at = batch * params.queries * params.row_quads + column;
    let quad = slab + local.x;
    store(a0, all[0], query + 0u, out_at, quad);
    store(b0, all[0], query + 0u, out_at, quad + 8u);
    store(a1, all[1], query + 8u, out_at, quad);
    store(b1, all[1], query + 8u, out_at, quad + 8u);
    store(a2, all[2], query + 16u, out_at, quad);
    store(b2, all[2], query + 16u, out_at, quad + 8u);
    store(a3, all[3], query + 24u, out_at, quad);
    store(b3, all[3], query + 24u, out_at, quad + 8u);
}
