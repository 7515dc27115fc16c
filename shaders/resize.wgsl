// resize: a picture resampled, coordinates as PyTorch's align_corners=False
// x [B, h, w, C], out [B, h', w', C]; one thread a quad of out; reference: tests/support/operations/reference, resize
#import shared/grid

struct Params {
    count: u32,
    first_row: u32,
    row_quads: u32,
    extent: vec2<u32>,
    out_extent: vec2<u32>,
    x_base: u32,
    out_base: u32,
}

// 0: nearest, 1: linear, 2: cubic
override KIND: u32 = 0u;
override ANTIALIAS: bool = false;

@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<storage, read_write> out: array<Quad>;
@group(0) @binding(2) var<uniform> params: Params;

// The elements of an axis that go into one of the result.
struct Taps {
    begin: i32,
    count: u32,
    center: f32,
    // narrows the filter's argument
    scale: f32,
}

fn taps(at: u32, extent: u32, out_extent: u32) -> Taps {
    if KIND == 0u {
        return Taps(i32(at * extent / out_extent), 1u, 0.0, 1.0);
    }
    let ratio = f32(extent) / f32(out_extent);
    let radius = f32(KIND);
    if ANTIALIAS {
        let wide = max(ratio, 1.0);
        let center = (f32(at) + 0.5) * ratio;
        let begin = max(i32(floor(center - radius * wide + 0.5)), 0);
        let end = min(i32(floor(center + radius * wide + 0.5)), i32(extent));
        return Taps(begin, u32(max(end - begin, 1)), center - 0.5, 1.0 / wide);
    }
    let center = (f32(at) + 0.5) * ratio - 0.5;
    // A linear filter holds the edge by its coordinate, a cubic one by its indices: the same where both are linear.
    let held = select(center, max(center, 0.0), KIND == 1u);
    return Taps(i32(floor(held)) - i32(KIND) + 1, 2u * KIND, held, 1.0);
}

fn weight(taps: Taps, tap: u32) -> f32 {
    if KIND == 0u {
        return 1.0;
    }
    let d = abs((f32(taps.begin + i32(tap)) - taps.center) * taps.scale);
    if KIND == 1u {
        return max(1.0 - d, 0.0);
    }
    let a = select(-0.75, -0.5, ANTIALIAS);
    if d < 1.0 {
        return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    }
    if d < 2.0 {
        return ((d - 5.0) * d + 8.0) * d * a - 4.0 * a;
    }
    return 0.0;
}

fn source(taps: Taps, tap: u32, extent: u32) -> u32 {
    return u32(clamp(taps.begin + i32(tap), 0, i32(extent) - 1));
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
    let pixel = params.first_row + i / params.row_quads;
    let line = pixel / params.out_extent.y;
    let batch = line / params.out_extent.x;
    let down = taps(line % params.out_extent.x, params.extent.x, params.out_extent.x);
    let across = taps(pixel % params.out_extent.y, params.extent.y, params.out_extent.y);
    let base = params.x_base + i % params.row_quads;
    var sum = vec4<f32>(0.0);
    var total = 0.0;
    for (var y = 0u; y < down.count; y++) {
        let row = (batch * params.extent.x + source(down, y, params.extent.x)) * params.extent.y;
        let row_weight = weight(down, y);
        for (var column = 0u; column < across.count; column++) {
            let w = row_weight * weight(across, column);
            sum += w * load4(x[base + (row + source(across, column, params.extent.y)) * params.row_quads]);
            total += w;
        }
    }
    out[params.out_base + i] = store4(sum / total);
}
