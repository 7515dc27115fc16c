// Elements are f16 in memory, on a device that cannot name them: two to a word.
alias Quad = vec2<u32>;

fn load4(quad: Quad) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(quad.x), unpack2x16float(quad.y));
}

// Saturates: what a conversion out of range yields is the device's choice.
fn store4(value: vec4<f32>) -> Quad {
    let v = clamp(value, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw));
}
