// conv: convolution as a matrix product whose left matrix is read from the picture; without workgroup memory, for
// adapters that a processor plays
// one thread 4 pixels by 2 quads of channels; reference: tests/support/operations/reference, conv2d
#import shared/conv

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let tile = flat_group(group, groups);
    if tile >= params.tiles.x * params.tiles.y {
        return;
    }
    let first = (tile % params.tiles.x) * 16u + local.x;
    let other = first + params.pair;
    let row = (tile / params.tiles.x) * 32u + 4u * local.y;
    let q0 = min(first, params.w_row_quads - 1u);
    let q1 = min(other, params.w_row_quads - 1u);

    let r = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    let place = place_of(r);
    var c00 = vec4<f32>(0.0);
    var c10 = vec4<f32>(0.0);
    var c20 = vec4<f32>(0.0);
    var c30 = vec4<f32>(0.0);
    var c01 = vec4<f32>(0.0);
    var c11 = vec4<f32>(0.0);
    var c21 = vec4<f32>(0.0);
    var c31 = vec4<f32>(0.0);
    for (var ky = 0u; ky < params.taps.x; ky++) {
        for (var kx = 0u; kx < params.taps.y; kx++) {
            let source = source_of(place, ky, kx);
            let factor = source.factor;
            var k = (ky * params.taps.y + kx) * params.channels;
            let x_at = vec4<u32>(params.x_base) + source.pixel * params.x_quads;
            for (var c = 0u; c < params.x_quads; c++) {
                let a0 = load4(x[x_at.x + c]) * factor.x;
                let a1 = load4(x[x_at.y + c]) * factor.y;
                let a2 = load4(x[x_at.z + c]) * factor.z;
                let a3 = load4(x[x_at.w + c]) * factor.w;
                let b0 = weights(k, q0);
                c00 += b0 * a0;
                c10 += b0 * a1;
                c20 += b0 * a2;
                c30 += b0 * a3;
                let b1 = weights(k, q1);
                c01 += b1 * a0;
                c11 += b1 * a1;
                c21 += b1 * a2;
                c31 += b1 * a3;
                k += 4u;
            }
            if JOINED {
                let second_at = vec4<u32>(params.second_base) + source.pixel * params.second_quads;
                for (var c = 0u; c < params.second_quads; c++) {
                    let a0 = load4(second[second_at.x + c]) * factor.x;
                    let a1 = load4(second[second_at.y + c]) * factor.y;
                    let a2 = load4(second[second_at.z + c]) * factor.z;
                    let a3 = load4(second[second_at.w + c]) * factor.w;
                    let b0 = weights(k, q0);
                    c00 += b0 * a0;
                    c10 += b0 * a1;
                    c20 += b0 * a2;
                    c30 += b0 * a3;
                    let b1 = weights(k, q1);
                    c01 += b1 * a0;
                    c11 += b1 * a1;
                    c21 += b1 * a2;
                    c31 += b1 * a3;
                    k += 4u;
                }
            }
        }
    }
    let out_at = r * params.row_quads;
    store_pair(c00, c01, row, out_at.x, first, other);
    store_pair(c10, c11, row + 1u, out_at.y, first, other);
    store_pair(c20, c21, row + 2u, out_at.z, first, other);
    store_pair(c30, c31, row + 3u, out_at.w, first, other);
}
