// What a thread of a matrix product has gathered, and how it is stored. A kernel that imports this has the bindings of
// `after`, `bias` and `out`, and in `params` also: `rows`, `row_quads`, `first_row`, `batch_rows`, `bias_base`,
// `out_base`, `pair`.
#import shared/after

override BIAS: bool = false;
// The two quads of columns that a thread has belong together: the first times GELU of the second is stored.
override GEGLU: bool = false;

fn with_bias(value: vec4<f32>, quad: u32) -> vec4<f32> {
    if BIAS {
        return value + load4(bias[params.bias_base + quad]);
    }
    return value;
}

fn store_quad(value: vec4<f32>, row: u32, row_at: u32, quad: u32) {
    if row < params.rows && quad < params.row_quads {
        let own = ((row + params.first_row) / params.batch_rows) * params.row_quads + quad;
        out[params.out_base + row_at + quad] = after(value, row_at + quad, own, quad);
    }
}

// row_at: where the row begins in out; second: the quad of the second value
fn store_pair(first_value: vec4<f32>, second_value: vec4<f32>, row: u32, row_at: u32, first: u32, second: u32) {
    if GEGLU {
        let gate = min(second, 2u * params.row_quads - 1u);
        store_quad(with_bias(first_value, first) * gelu_erf(with_bias(second_value, gate)), row, row_at, first);
    } else {
        store_quad(with_bias(first_value, first), row, row_at, first);
        store_quad(with_bias(second_value, second), row, row_at, second);
    }
}
