//! Host numbers to stored bytes and back: rows padded to quads, in the device's format.

use half::f16;

use super::step::{Storage, row_quads};
use crate::engine::{DType, Shape};

/// Appends rows of a tensor whose last axis is `columns` long; `elements` are whole rows.
pub fn encode(storage: Storage, columns: usize, elements: &[f32], bytes: &mut Vec<u8>) {
    let padded = columns.next_multiple_of(4);
    bytes.reserve(elements.len() / columns * padded * storage.dtype().bytes() as usize);
    for row in elements.chunks(columns) {
        let padding = std::iter::repeat_n(0.0, padded - columns);
        let row = row.iter().copied().chain(padding);
        match storage.dtype() {
            DType::F32 => row.for_each(|x| bytes.extend_from_slice(&x.to_le_bytes())),
            DType::F16 => {
                row.for_each(|x| bytes.extend_from_slice(&f16::from_f32(x).to_le_bytes()));
            }
        }
    }
}

/// The elements of a stored tensor, without the padding.
pub fn decode(storage: Storage, shape: &Shape, bytes: &[u8]) -> Vec<f32> {
    let row_bytes = row_quads(shape) * storage.quad_bytes() as usize;
    let mut elements = Vec::with_capacity(shape.elements());
    for row in bytes.chunks(row_bytes) {
        match storage.dtype() {
            DType::F32 => elements.extend(
                row.chunks_exact(4)
                    .take(shape.last())
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            ),
            DType::F16 => elements.extend(
                row.chunks_exact(2)
                    .take(shape.last())
                    .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()),
            ),
        }
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_rows_come_back_without_their_padding() {
        let shape = Shape::from([3, 5]);
        let elements: Vec<f32> = (0..15).map(|i| i as f32 / 4.0).collect();
        for (storage, size) in [(Storage::F32, 96), (Storage::F16, 48)] {
            let mut bytes = Vec::new();
            encode(storage, 5, &elements, &mut bytes);
            assert_eq!(bytes.len(), size);
            assert_eq!(decode(storage, &shape, &bytes), elements);
        }
    }
}
