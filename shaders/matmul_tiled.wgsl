// matmul_tiled: out = x w + bias, then `after`; through workgroup memory, for GPUs
// one workgroup 64 rows by 16 quads of columns; reference: tests/support/operations/reference, matmul
#import shared/matmul
#import shared/tile

// Four elements of x, zeros behind the last.
fn element(batch_at: u32, row: u32, k: u32) -> vec4<f32> {
    if JOINED && k >= params.x_quads {
        let inside = k < params.k_quads;
        let at = params.second_base + row * params.second_row + min(k, params.k_quads - 1u) - params.x_quads;
        return select(vec4<f32>(0.0), load4(second[at]), inside);
    }
    let at = batch_at + row * params.x_row + min(k, params.x_quads - 1u);
    return select(vec4<f32>(0.0), load4(x[at]), k < params.x_quads);
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let tile = flat_group(group, groups);
    let batch = min(tile / (params.tiles.x * params.tiles.y), params.batches - 1u);
    let level = vec2<u32>(batch / params.inner, batch % params.inner);
    let first = (tile % params.tiles.x) * select(16u, 8u, GEGLU);
    let row = ((tile / params.tiles.x) % params.tiles.y) * 64u;
    let x_at = params.x_base + dot(level, params.x_strides);
    let w_at = params.w_base + dot(level, params.w_strides);
    // What this thread fetches: a quad of K of every 16th row, and four rows of w at one slot.
    let x_kq = index % TILE_K;
    let x_row = index / TILE_K;
    let w_kq = index / WS_ROW;
    let slot = index % WS_ROW;
    let quad = slot_quad(first, slot);
    let last = params.rows - 1u;
    var sums = Sums();
    for (var k = 0u; k < params.k_quads; k += TILE_K) {
        workgroupBarrier();
        for (var r = x_row; r < 64u; r += 16u) {
            xs[r * XS_ROW + x_kq] = element(x_at, min(row + r, last), k + x_kq);
        }
        put_weights(w_kq, slot, weights(w_at, min(k + w_kq, params.k_quads - 1u), quad));
        workgroupBarrier();
        multiply(&sums, local);
    }
    if tile >= params.tiles.x * params.tiles.y * params.batches {
        return;
    }
    let out_at = dot(level, params.out_strides);
    let column = first + local.x;
    let other = column + params.pair;
    store_pair(sums.a0, sums.b0, row + local.y + 0u, out_at + (row + local.y + 0u) * params.out_row, column, other);
    store_pair(sums.a1, sums.b1, row + local.y + 8u, out_at + (row + local.y + 8u) * params.out_row, column, other);
    store_pair(sums.a2, sums.b2, row + local.y + 16u, out_at + (row + local.y + 16u) * params.out_row, column, other);
    store_pair(sums.a3, sums.b3, row + local.y + 24u, out_at + (row + local.y + 24u) * params.out_row, column, other);
    store_pair(sums.a4, sums.b4, row + local.y + 32u, out_at + (row + local.y + 32u) * params.out_row, column, other);
    store_pair(sums.a5, sums.b5, row + local.y + 40u, out_at + (row + local.y + 40u) * params.out_row, column, other);
    store_pair(sums.a6, sums.b6, row + local.y + 48u, out_at + (row + local.y + 48u) * params.out_row, column, other);
    store_pair(sums.a7, sums.b7, row + local.y + 56u, out_at + (row + local.y + 56u) * params.out_row, column, other);
}
