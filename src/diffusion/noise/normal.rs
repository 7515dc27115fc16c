//! The Box-Muller transform, with a logarithm, a sine and a cosine that are the same everywhere.
//!
//! The standard library leaves the precision of `ln`, `sin` and `cos` to the platform. These use only additions,
//! multiplications, divisions and square roots, which IEEE 754 fixes to the last bit.

use std::f64::consts::{FRAC_PI_2, LN_2, SQRT_2};

/// Two independent normals from a number in `(0, 1]` and a share of a full turn in `[0, 1)`.
pub fn box_muller(u: f64, turn: f64) -> [f64; 2] {
    let radius = (-2.0 * ln(u)).sqrt();
    let [sin, cos] = sin_cos(turn);
    [radius * cos, radius * sin]
}

/// The natural logarithm of a positive, normal number.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
    let mut mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if mantissa > SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // ln m = 2 artanh s for s = (m - 1) / (m + 1); |s| < 0.172, so the 12th term is below 1e-18.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..12).rev().fold(0.0, |sum, term| {
        sum * square + 1.0 / f64::from(2 * term + 1)
    });
    f64::from(exponent) * LN_2 + 2.0 * s * series
}

/// Sine and cosine of a share of a full turn.
fn sin_cos(turn: f64) -> [f64; 2] {
    let quarters = turn * 4.0;
    let nearest = (quarters + 0.5).floor();
    let angle = (quarters - nearest) * FRAC_PI_2;
    let square = angle * angle;
    // Taylor series for |angle| <= pi / 4, each term built from the next: the 10th is below 1e-19.
    let series = |first: i32| {
        (0..10).rev().fold(1.0, |sum, term| {
            let n = f64::from(2 * term + first);
            1.0 - square / (n * (n + 1.0)) * sum
        })
    };
    let [sin, cos] = [angle * series(2), series(1)];
    match nearest as i64 & 3 {
        0 => [sin, cos],
        1 => [cos, -sin],
        2 => [-sin, -cos],
        _ => [-cos, sin],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_are_the_functions() {
        for step in 1..=10_000 {
            let u = f64::from(step) / 10_000.0;
            assert!(
                (ln(u) - u.ln()).abs() <= 4e-15 * u.ln().abs().max(1e-3),
                "ln {u}"
            );
            let [sin, cos] = sin_cos(u);
            let (expected_sin, expected_cos) = (u * std::f64::consts::TAU).sin_cos();
            assert!(
                (sin - expected_sin).abs() < 2e-15,
                "sin {u}: {sin} {expected_sin}"
            );
            assert!(
                (cos - expected_cos).abs() < 2e-15,
                "cos {u}: {cos} {expected_cos}"
            );
        }
        let least = 2f64.powi(-53);
        assert!((ln(least) - least.ln()).abs() < 1e-13);
    }
}
