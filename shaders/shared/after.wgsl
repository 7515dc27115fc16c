// What follows an operation before its result is stored. A kernel that imports this has the bindings `added` (of the
// result's shape) and `per_row` (one row for each batch row), and in `params`: `scalars`, `columns`, `added_base`,
// `per_row_base`.
#import shared/unary

// Each a function's code plus 32 times the number of its first scalar.
override AFTER_0: u32 = 0u;
override AFTER_1: u32 = 0u;
override AFTER_2: u32 = 0u;
override AFTER_3: u32 = 0u;

const ADD = 30u;
const ADD_ROW = 31u;

fn scalar(at: u32) -> f32 {
    return params.scalars[(at >> 2u) & 1u][at & 3u];
}

fn after_one(code: u32, value: vec4<f32>, at: u32, row_at: u32) -> vec4<f32> {
    let function = code & 31u;
    if function == 0u {
        return value;
    }
    if function == ADD {
        return value + load4(added[params.added_base + at]);
    }
    if function == ADD_ROW {
        return value + load4(per_row[params.per_row_base + row_at]);
    }
    let first = code >> 5u;
    return unary(function, value, scalar(first), scalar(first + 1u));
}

// Zeros where a row's last quad has no column.
fn within(value: vec4<f32>, quad: u32) -> vec4<f32> {
    let column = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), value, column < vec4<u32>(params.columns));
}

// at: the quad of the result; row_at: the same quad of the batch row's own row; quad: its place in the row.
fn after(value: vec4<f32>, at: u32, row_at: u32, quad: u32) -> Quad {
    var v = after_one(AFTER_0, value, at, row_at);
    v = after_one(AFTER_1, v, at, row_at);
    v = after_one(AFTER_2, v, at, row_at);
    v = after_one(AFTER_3, v, at, row_at);
    return store4(within(v, quad));
}
