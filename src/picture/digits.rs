//! Digits of three by five dots, for labels.

use super::Picture;

/// Rows of each digit from the top, three dots a row.
const DIGITS: [[u8; 5]; 10] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b111, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
];

/// Dots from one digit to the next.
const ADVANCE: usize = 4;

/// Height of a line of digits.
pub const fn height_px(dot_px: usize) -> usize {
    5 * dot_px
}

/// Writes a number with its upper left corner at the place named.
pub fn write(picture: &mut Picture, number: u64, left_px: usize, top_px: usize, dot_px: usize) {
    let dot = Picture::filled(dot_px, dot_px, [60, 60, 60]);
    for (place, digit) in number.to_string().bytes().enumerate() {
        for (row, dots) in DIGITS[usize::from(digit - b'0')].iter().enumerate() {
            for column in (0..3).filter(|column| dots >> (2 - column) & 1 == 1) {
                let left = left_px + (place * ADVANCE + column) * dot_px;
                picture.paste(&dot, left, top_px + row * dot_px);
            }
        }
    }
}
