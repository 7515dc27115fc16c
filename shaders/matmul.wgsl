// matmul: out = x w + bias, then `after`; without workgroup memory, for adapters that a processor plays and few rows
// one thread 4 rows by 2 quads of columns; reference: tests/support/operations/reference, matmul
#import shared/matmul

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let tile = flat_group(group, groups);
    let batch = tile / (params.tiles.x * params.tiles.y);
    if batch >= params.batches {
        return;
    }
    let level = vec2<u32>(batch / params.inner, batch % params.inner);
    let first = (tile % params.tiles.x) * select(16u, 8u, GEGLU) + local.x;
    let other = first + params.pair;
    let row = ((tile / params.tiles.x) % params.tiles.y) * 32u + 4u * local.y;
    let r = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    var x_at = vec4<u32>(params.x_base + dot(level, params.x_strides)) + r * params.x_row;
    let w_at = params.w_base + dot(level, params.w_strides);
    let q0 = min(first, params.w_row_quads - 1u);
    let q1 = min(other, params.w_row_quads - 1u);
    var c00 = vec4<f32>(0.0);
    var c10 = vec4<f32>(0.0);
    var c20 = vec4<f32>(0.0);
    var c30 = vec4<f32>(0.0);
    var c01 = vec4<f32>(0.0);
    var c11 = vec4<f32>(0.0);
    var c21 = vec4<f32>(0.0);
    var c31 = vec4<f32>(0.0);
    for (var k = 0u; k < params.x_quads; k++) {
        let a0 = load4(x[x_at.x + k]);
        let a1 = load4(x[x_at.y + k]);
        let a2 = load4(x[x_at.z + k]);
        let a3 = load4(x[x_at.w + k]);
        let b0 = weights(w_at, k, q0);
        c00 += b0 * a0;
        c10 += b0 * a1;
        c20 += b0 * a2;
        c30 += b0 * a3;
        let b1 = weights(w_at, k, q1);
        c01 += b1 * a0;
        c11 += b1 * a1;
        c21 += b1 * a2;
        c31 += b1 * a3;
    }
    if JOINED {
        x_at = vec4<u32>(params.second_base) + r * params.second_row;
        for (var k = 0u; k < params.k_quads - params.x_quads; k++) {
            let a0 = load4(second[x_at.x + k]);
            let a1 = load4(second[x_at.y + k]);
            let a2 = load4(second[x_at.z + k]);
            let a3 = load4(second[x_at.w + k]);
            let b0 = weights(w_at, k + params.x_quads, q0);
            c00 += b0 * a0;
            c10 += b0 * a1;
            c20 += b0 * a2;
            c30 += b0 * a3;
            let b1 = weights(w_at, k + params.x_quads, q1);
            c01 += b1 * a0;
            c11 += b1 * a1;
            c21 += b1 * a2;
            c31 += b1 * a3;
        }
    }
    let out_at = vec4<u32>(dot(level, params.out_strides)) + r * params.out_row;
    store_pair(c00, c01, row, out_at.x, first, other);
    store_pair(c10, c11, row + 1u, out_at.y, first, other);
    store_pair(c20, c21, row + 2u, out_at.z, first, other);
    store_pair(c30, c31, row + 3u, out_at.w, first, other);
}
