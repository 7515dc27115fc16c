// conv_tiled: convolution as a matrix product whose left matrix is read from the picture; through workgroup memory, for
// GPUs
// one workgroup 64 pixels by 16 quads of channels; reference: tests/support/operations/reference, conv2d
#import shared/conv
#import shared/tile

// Four channels of a pixel, zeros outside the picture and behind the last channel.
fn fetch(pixel: u32, factor: f32, c: u32, quads: u32) -> vec4<f32> {
    if JOINED && c >= params.x_quads {
        let at = params.second_base + pixel * params.second_quads + min(c, quads - 1u) - params.x_quads;
        return load4(second[at]) * select(0.0, factor, c < quads);
    }
    let at = params.x_base + pixel * params.x_quads + min(c, params.x_quads - 1u);
    return load4(x[at]) * select(0.0, factor, c < params.x_quads);
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let tile = flat_group(group, groups);
    let first = (tile % params.tiles.x) * 16u;
    let row = (tile / params.tiles.x) * 64u;
    // What this thread fetches: a quad of channels of every 16th pixel, and four rows of weight at one slot.
    let x_kq = index % TILE_K;
    let x_row = index / TILE_K;
    let w_kq = index / WS_ROW;
    let slot = index % WS_ROW;
    let quad = slot_quad(first, slot);

    let place = place_of(vec4<u32>(row + x_row) + vec4<u32>(0u, 16u, 32u, 48u));
    let quads = params.x_quads + params.second_quads;
    var sums = Sums();
    for (var ky = 0u; ky < params.taps.x; ky++) {
        for (var kx = 0u; kx < params.taps.y; kx++) {
            let source = source_of(place, ky, kx);
            let tap = (ky * params.taps.y + kx) * params.channels;
            for (var c = 0u; c < quads; c += TILE_K) {
                workgroupBarrier();
                let at = x_row * XS_ROW + x_kq;
                xs[at] = fetch(source.pixel.x, source.factor.x, c + x_kq, quads);
                xs[at + 16u * XS_ROW] = fetch(source.pixel.y, source.factor.y, c + x_kq, quads);
                xs[at + 32u * XS_ROW] = fetch(source.pixel.z, source.factor.z, c + x_kq, quads);
                xs[at + 48u * XS_ROW] = fetch(source.pixel.w, source.factor.w, c + x_kq, quads);
                put_weights(w_kq, slot, weights(tap + 4u * min(c + w_kq, quads - 1u), quad));
                workgroupBarrier();
                multiply(&sums, local);
            }
        }
    }
    if tile >= params.tiles.x * params.tiles.y {
        return;
    }
    let column = first + local.x;
    let other = column + params.pair;
    store_pair(sums.a0, sums.b0, row + local.y + 0u, (row + local.y + 0u) * params.row_quads, column, other);
    store_pair(sums.a1, sums.b1, row + local.y + 8u, (row + local.y + 8u) * params.row_quads, column, other);
    store_pair(sums.a2, sums.b2, row + local.y + 16u, (row + local.y + 16u) * params.row_quads, column, other);
    store_pair(sums.a3, sums.b3, row + local.y + 24u, (row + local.y + 24u) * params.row_quads, column, other);
    store_pair(sums.a4, sums.b4, row + local.y + 32u, (row + local.y + 32u) * params.row_quads, column, other);
    store_pair(sums.a5, sums.b5, row + local.y + 40u, (row + local.y + 40u) * params.row_quads, column, other);
    store_pair(sums.a6, sums.b6, row + local.y + 48u, (row + local.y + 48u) * params.row_quads, column, other);
    store_pair(sums.a7, sums.b7, row + local.y + 56u, (row + local.y + 56u) * params.row_quads, column, other);
}
