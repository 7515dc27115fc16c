// Functions of four elements, by the code that kernels/after.rs gives them. Arguments are limited wherever a step on
// the way could overflow: WGSL may assume that there is no infinity.

fn erf4(x: vec4<f32>) -> vec4<f32> {
    // Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7
    let t = 1.0 / (1.0 + 0.3275911 * abs(x));
    let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return sign(x) * (1.0 - series * exp(-min(x * x, vec4<f32>(80.0))));
}

fn sigmoid4(x: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(-clamp(x, vec4<f32>(-80.0), vec4<f32>(80.0))));
}

fn tanh4(x: vec4<f32>) -> vec4<f32> {
    return 1.0 - 2.0 / (1.0 + exp(2.0 * clamp(x, vec4<f32>(-15.0), vec4<f32>(15.0))));
}

// A device's own sine may be off by 2^-11, and by anything beyond one turn: 2 pi is taken off in three parts, each
// exact when multiplied by a small integer.
fn sin4(x: vec4<f32>) -> vec4<f32> {
    let turns = round(x * 0.15915494309);
    let y = ((x - turns * 6.28125) - turns * 0.0019350051879882812) - turns * 3.0199159819567595e-7;
    // sin y = sin(pi - y) folds the rest into a quarter turn, where the Taylor series converges
    let folded = select(y, sign(y) * 3.14159265359 - y, abs(y) > vec4<f32>(1.57079632679));
    let s = folded * folded;
    return folded * (1.0 + s * (-1.6666666667e-1 + s * (8.3333333333e-3 + s * (-1.9841269841e-4
        + s * (2.7557319224e-6 + s * (-2.5052108385e-8 + s * 1.6059043837e-10))))));
}

fn cos4(x: vec4<f32>) -> vec4<f32> {
    let turns = round(x * 0.15915494309);
    let y = ((x - turns * 6.28125) - turns * 0.0019350051879882812) - turns * 3.0199159819567595e-7;
    return sin4(1.57079632679 - abs(y));
}

fn gelu_erf(x: vec4<f32>) -> vec4<f32> {
    return 0.5 * x * (1.0 + erf4(x * 0.70710678118));
}

fn unary(code: u32, x: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    switch code {
        case 1u: { return -x; }
        case 2u: { return abs(x); }
        case 3u: { return x * x; }
        case 4u: { return sqrt(x); }
        case 5u: { return 1.0 / x; }
        case 6u: { return exp(x); }
        case 7u: { return log(x); }
        case 8u: { return sin4(x); }
        case 9u: { return cos4(x); }
        case 10u: { return tanh4(x); }
        case 11u: { return sigmoid4(x); }
        case 12u: { return x * sigmoid4(x); }
        case 13u: { return gelu_erf(x); }
        case 14u: { return 0.5 * x * (1.0 + tanh4(0.79788456080 * (x + 0.044715 * x * x * x))); }
        case 15u: { return x * sigmoid4(1.702 * x); }
        case 16u: { return max(x, vec4<f32>(0.0)); }
        case 17u: { return clamp(x / 6.0 + 0.5, vec4<f32>(0.0), vec4<f32>(1.0)); }
        case 18u: { return x * clamp(x / 6.0 + 0.5, vec4<f32>(0.0), vec4<f32>(1.0)); }
        case 19u: { return select(a * x, x, x > vec4<f32>(0.0)); }
        case 20u: { return min(max(x, vec4<f32>(a)), vec4<f32>(b)); }
        case 21u: { return x * a + b; }
        case 22u: { return erf4(x); }
        case 23u: { return floor(x); }
        default: { return x; }
    }
}

// Their derivatives. Where there is none, PyTorch's choice.
fn slope(code: u32, x: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    switch code {
        case 1u: { return -one; }
        case 2u: { return sign(x); }
        case 3u: { return 2.0 * x; }
        case 4u: { return 0.5 / sqrt(x); }
        case 5u: { return -1.0 / (x * x); }
        case 6u: { return exp(x); }
        case 7u: { return 1.0 / x; }
        case 8u: { return cos4(x); }
        case 9u: { return -sin4(x); }
        case 10u: {
            let t = tanh4(x);
            return (1.0 - t) * (1.0 + t);
        }
        case 11u: {
            let s = sigmoid4(x);
            return s * (1.0 - s);
        }
        case 12u: {
            let s = sigmoid4(x);
            return s * (1.0 + x * (1.0 - s));
        }
        case 13u: {
            let density = 0.39894228040 * exp(-min(0.5 * x * x, vec4<f32>(80.0)));
            return 0.5 * (1.0 + erf4(x * 0.70710678118)) + x * density;
        }
        case 14u: {
            let t = tanh4(0.79788456080 * (x + 0.044715 * x * x * x));
            let inner = 0.79788456080 * (1.0 + 0.134145 * x * x);
            return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t) * (1.0 + t) * inner;
        }
        case 15u: {
            let s = sigmoid4(1.702 * x);
            return s * (1.0 + 1.702 * x * (1.0 - s));
        }
        case 16u: { return select(zero, one, x > zero); }
        case 17u: { return select(zero, one / 6.0, abs(x) < 3.0 * one); }
        case 18u: { return select(select(zero, one, x > zero), x / 3.0 + 0.5, abs(x) <= 3.0 * one); }
        case 19u: { return select(a * one, one, x > zero); }
        case 20u: { return select(zero, one, (x >= a * one) & (x <= b * one)); }
        case 21u: { return a * one; }
        case 22u: { return 1.1283791671 * exp(-min(x * x, vec4<f32>(80.0))); }
        case 23u: { return zero; }
        default: { return one; }
    }
}
