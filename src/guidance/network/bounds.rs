//! Upright boxes as left, top, right, bottom.

/// What a box covers; nothing where it is turned inside out.
pub fn area([left, top, right, bottom]: [f32; 4]) -> f32 {
    (right - left).max(0.0) * (bottom - top).max(0.0)
}

/// What two boxes share, as a part of what both cover.
pub fn shared(a: [f32; 4], b: [f32; 4]) -> f32 {
    let inside = [
        a[0].max(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].min(b[3]),
    ];
    let both = area(inside);
    both / (area(a) + area(b) - both).max(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_share_what_lies_in_both() {
        let a = [0.0, 0.0, 0.5, 0.5];
        assert!((shared(a, a) - 1.0).abs() < 1e-6);
        assert!((shared(a, [0.25, 0.0, 0.75, 0.5]) - 1.0 / 3.0).abs() < 1e-6);
        assert!(shared(a, [0.6, 0.6, 0.9, 0.9]).abs() < 1e-6);
    }
}
