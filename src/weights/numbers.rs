//! Stored numbers of any width, as f32.

use half::{bf16, f16};
use safetensors::Dtype;

/// Whether numbers stored like this can be weights.
pub fn is_readable(dtype: Dtype) -> bool {
    matches!(
        dtype,
        Dtype::F64
            | Dtype::F32
            | Dtype::F16
            | Dtype::BF16
            | Dtype::F8_E4M3
            | Dtype::F8_E5M2
            | Dtype::I8
            | Dtype::U8
    )
}

/// Appends stored numbers, widened or rounded to f32.
///
/// 8-bit integers come as they are, `U8` with 128 for zero; their scales are applied by [`rescale`].
///
/// # Panics
/// When the type is not [`is_readable`].
pub fn decode(dtype: Dtype, bytes: &[u8], elements: &mut Vec<f32>) {
    match dtype {
        Dtype::F64 => extend(bytes, elements, |b| f64::from_le_bytes(b) as f32),
        Dtype::F32 => extend(bytes, elements, f32::from_le_bytes),
        Dtype::F16 => extend(bytes, elements, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => extend(bytes, elements, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::F8_E4M3 => extend(bytes, elements, |[b]| e4m3(b)),
        // The upper half of an f16 is exactly an E5M2.
        Dtype::F8_E5M2 => extend(bytes, elements, |[b]| f16::from_le_bytes([0, b]).to_f32()),
        Dtype::I8 => extend(bytes, elements, |b| f32::from(i8::from_le_bytes(b))),
        Dtype::U8 => extend(bytes, elements, |[b]| f32::from(b) - 128.0),
        other => panic!("{other:?} was to be refused before its numbers are read"),
    }
}

fn extend<const BYTES: usize>(
    bytes: &[u8],
    elements: &mut Vec<f32>,
    number: impl Fn([u8; BYTES]) -> f32,
) {
    let (chunks, _) = bytes.as_chunks::<BYTES>();
    elements.extend(chunks.iter().map(|&chunk| number(chunk)));
}

/// An 8-bit float with four bits of exponent (bias 7), three of mantissa, and no infinities
/// (<https://arxiv.org/abs/2209.05433>, table 1).
fn e4m3(byte: u8) -> f32 {
    let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(byte >> 3 & 0xf);
    let mantissa = f32::from(byte & 7);
    match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => sign * mantissa * 2f32.powi(-9),
        _ => sign * (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
    }
}

/// Multiplies 8-bit integers by the scale of their output channel.
///
/// `first` is the index in the whole tensor of the first element given; a channel is `channel` elements long.
pub fn rescale(elements: &mut [f32], first: usize, channel: usize, scales: &[f32]) {
    for (index, element) in elements.iter_mut().enumerate() {
        *element *= scales[(first + index) / channel];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
        let mut elements = Vec::new();
        decode(dtype, bytes, &mut elements);
        elements
    }

    #[test]
    fn eight_bit_floats_have_the_published_values() {
        // Largest, smallest normal, smallest subnormal: tables 1 and 2 of the paper.
        let bytes = [0x7e, 0x08, 0x01, 0xb8];
        let e4m3 = decoded(Dtype::F8_E4M3, &bytes);
        assert_eq!(e4m3, [448.0, 2f32.powi(-6), 2f32.powi(-9), -1.0]);
        let e5m2 = decoded(Dtype::F8_E5M2, &[0x7b, 0x04, 0x01, 0xbc]);
        assert_eq!(e5m2, [57344.0, 2f32.powi(-14), 2f32.powi(-16), -1.0]);
        assert!(decoded(Dtype::F8_E4M3, &[0xff])[0].is_nan());
    }

    #[test]
    fn wide_and_narrow_numbers_agree() {
        let value = -1.5;
        assert_eq!(decoded(Dtype::F64, &f64::to_le_bytes(value)), [-1.5]);
        assert_eq!(
            decoded(Dtype::BF16, &bf16::from_f64(value).to_le_bytes()),
            [-1.5]
        );
        assert_eq!(
            decoded(Dtype::F16, &f16::from_f64(value).to_le_bytes()),
            [-1.5]
        );
        assert_eq!(decoded(Dtype::I8, &[0xff]), decoded(Dtype::U8, &[127]));
    }

    #[test]
    fn scales_follow_the_output_channel_across_pieces() {
        let mut piece = vec![1.0; 4];
        rescale(&mut piece, 2, 3, &[10.0, 20.0]);
        assert_eq!(piece, [10.0, 20.0, 20.0, 20.0]);
    }
}
