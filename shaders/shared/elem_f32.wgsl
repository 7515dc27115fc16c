// Elements are f32.
alias Quad = vec4<f32>;

fn load4(quad: Quad) -> vec4<f32> {
    return quad;
}

fn store4(value: vec4<f32>) -> Quad {
    return value;
}
