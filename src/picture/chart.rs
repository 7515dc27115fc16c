//! Curves of numbers, such as a loss that falls.

use super::Picture;

const PAPER: [u8; 3] = [246, 246, 248];
const RULE: [u8; 3] = [214, 214, 220];
const INK: [u8; 3] = [34, 84, 190];
/// Space left above and below a curve.
const MARGIN_PX: usize = 6;
/// Thickness of a curve.
const LINE_PX: usize = 2;

/// Draws numbers as a curve from left to right, from 0 at the bottom, or the least of them where that is below, to the
/// greatest. What is no number is a gap.
///
/// # Panics
/// When the picture is too small to hold a curve.
pub fn chart(numbers: &[f32], width_px: usize, height_px: usize) -> Picture {
    assert!(
        width_px > 1 && height_px > 2 * MARGIN_PX + LINE_PX,
        "a chart of {width_px}x{height_px} has no room for a curve"
    );
    let mut rgb = PAPER.repeat(width_px * height_px);
    let mut dot = |x: usize, y: usize, colour: [u8; 3]| {
        rgb[(y * width_px + x) * 3..][..3].copy_from_slice(&colour);
    };
    for part in 0..=4 {
        let y = MARGIN_PX + part * (height_px - 2 * MARGIN_PX - 1) / 4;
        (0..width_px).for_each(|x| dot(x, y, RULE));
    }
    let finite = numbers.iter().copied().filter(|number| number.is_finite());
    let (least, greatest) = finite.fold((0.0, f32::MIN_POSITIVE), |(least, greatest), number| {
        (number.min(least), number.max(greatest))
    });
    let room = (height_px - 2 * MARGIN_PX - 1) as f32;
    let row = |number: f32| {
        let share = (greatest - number) / (greatest - least);
        (share * room).round() as usize + MARGIN_PX
    };
    let last = numbers.len().saturating_sub(1);
    let mut before: Option<usize> = None;
    for x in 0..width_px {
        let at = (x * last) as f32 / (width_px - 1) as f32;
        let [left, right] = [at.floor(), at.ceil()]
            .map(|index| numbers.get(index as usize).copied().unwrap_or(f32::NAN));
        let number = left + (right - left) * at.fract();
        if !number.is_finite() {
            before = None;
            continue;
        }
        let y = row(number);
        let from = before.unwrap_or(y);
        let (top, bottom) = (y.min(from), y.max(from) + LINE_PX);
        (top..bottom.min(height_px)).for_each(|y| dot(x, y, INK));
        before = Some(y);
    }
    Picture::from_rgb(width_px, height_px, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows in which a column has ink.
    fn inked(chart: &Picture, x: usize) -> Vec<usize> {
        let width = chart.width_px();
        let pixel = |y: usize| &chart.rgb()[(y * width + x) * 3..][..3];
        (0..chart.height_px())
            .filter(|&y| pixel(y) == INK)
            .collect()
    }

    #[test]
    fn a_curve_that_falls_goes_down() {
        let chart = chart(&[4.0, 2.0, 1.0, 0.0], 100, 60);
        let tops: Vec<usize> = (0..100).map(|x| inked(&chart, x)[0]).collect();
        assert!(tops.is_sorted(), "{tops:?}");
        assert_eq!(tops[0], MARGIN_PX);
        assert_eq!(
            inked(&chart, 99).last(),
            Some(&(60 - MARGIN_PX - 1 + LINE_PX - 1))
        );
    }

    #[test]
    fn what_is_no_number_is_a_gap() {
        let chart = chart(&[1.0, f32::NAN, 1.0, 1.0], 100, 60);
        assert!(inked(&chart, 33).is_empty() && !inked(&chart, 90).is_empty());
        for numbers in [&[][..], &[1.0], &[f32::NAN], &[-1.0, -2.0]] {
            super::chart(numbers, 20, 20);
        }
    }
}
