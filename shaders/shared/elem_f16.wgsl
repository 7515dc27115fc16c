enable f16;

// Elements are f16; sums and functions are computed in f32.
alias Quad = vec4<f16>;

fn load4(quad: Quad) -> vec4<f32> {
    return vec4<f32>(quad);
}

// Saturates: what a conversion out of range yields is the device's choice.
fn store4(value: vec4<f32>) -> Quad {
    return vec4<f16>(clamp(value, vec4<f32>(-65504.0), vec4<f32>(65504.0)));
}
