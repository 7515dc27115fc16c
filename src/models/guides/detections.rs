//! Heat maps to boxes.

/// A thing that was found in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Which, as an index of the things' names.
    pub thing: usize,
    /// How sure, 0 to 1.
    pub score: f32,
    /// Left, top, right, bottom as parts of the picture's width and height.
    pub bounds: [f32; 4],
}

/// The things in one picture, surest first: every cell that is warmer than its neighbours in its own map, from `least` up.
///
/// # Shapes
/// - `heat`: elements of `[size, size, things]`, before the sigmoid
/// - `boxes`: elements of `[size, size, 4]`, as [`super::Seen::boxes`] gives them
pub fn detections(heat: &[f32], boxes: &[f32], things: usize, least: f32) -> Vec<Detection> {
    let size = (boxes.len() / 4).isqrt();
    let warmth = |x: usize, y: usize, thing: usize| heat[(y * size + x) * things + thing];
    let around = |at: usize| at.saturating_sub(1)..(at + 2).min(size);
    let mut found = Vec::new();
    for (y, x) in (0..size).flat_map(|y| (0..size).map(move |x| (y, x))) {
        for thing in 0..things {
            let here = warmth(x, y, thing);
            let score = (1.0 + (-here).exp()).recip();
            let peak = around(y).all(|v| around(x).all(|u| warmth(u, v, thing) <= here));
            if score >= least && peak {
                let cell = &boxes[(y * size + x) * 4..][..4];
                let middle = |at: usize, within: f32| (at as f32 + within) / size as f32;
                let (across, down) = (middle(x, cell[0]), middle(y, cell[1]));
                let (half_width, half_height) = (cell[2] / 2.0, cell[3] / 2.0);
                found.push(Detection {
                    thing,
                    score,
                    bounds: [
                        across - half_width,
                        down - half_height,
                        across + half_width,
                        down + half_height,
                    ],
                });
            }
        }
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warmest_cell_is_the_middle_of_a_box() {
        let (size, things) = (4, 2);
        let mut heat = vec![-9.0; size * size * things];
        heat[(2 * size + 1) * things + 1] = 3.0;
        heat[(2 * size + 2) * things + 1] = 2.0;
        let boxes = [0.5, 0.5, 0.5, 0.25].repeat(size * size);
        let found = detections(&heat, &boxes, things, 0.3);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].thing, 1);
        let wanted = [0.125, 0.5, 0.625, 0.75];
        let pairs = found[0].bounds.into_iter().zip(wanted);
        let furthest = pairs
            .map(|(a, b): (f32, f32)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(furthest < 1e-6, "{:?}", found[0].bounds);
    }
}
