//! Text cut as CLIP cuts it before it looks for pairs.

use std::iter;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup as Group, UnicodeGeneralCategory};

/// What is cut off in one piece behind a word, in lower case; a long s is an s to those who ignore case.
const CONTRACTIONS: [&str; 8] = ["'s", "'ſ", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// A word without control characters, with spaces around ideographs, composed, in lower case.
pub fn clean(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    let is_lost = |c: char| c == '\u{fffd}' || c.general_category_group() == Group::Other;
    for c in word.chars().filter(|&c| !is_lost(c)) {
        if is_ideograph(c) {
            text.extend([' ', c, ' ']);
        } else {
            text.push(c);
        }
    }
    // Of the whole text, not letter by letter: a sigma at a word's end is another letter.
    text.nfc().collect::<String>().to_lowercase()
}

/// What transformers calls a Chinese character
/// (<https://github.com/huggingface/transformers/blob/v4.44.2/src/transformers/models/clip/tokenization_clip.py#L206>).
fn is_ideograph(c: char) -> bool {
    matches!(
        u32::from(c),
        0x3400..=0x4dbf
            | 0x4e00..=0x9fff
            | 0xf900..=0xfaff
            | 0x20000..=0x2a6df
            | 0x2a700..=0x2b73f
            | 0x2b740..=0x2b81f
            | 0x2b820..=0x2ceaf
            | 0x2f800..=0x2fa1f
    )
}

/// The pieces of a text in lower case: contractions, runs of letters, single digits, runs of whatever else is no space.
///
/// CLIP says it as `(?i)'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`
/// (<https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py>).
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| Kind::of(c) == Kind::Space);
        let first = rest.chars().next()?;
        let contraction = CONTRACTIONS.iter().find(|short| rest.starts_with(*short));
        let end = match (contraction, Kind::of(first)) {
            (Some(short), _) => short.len(),
            (None, Kind::Digit) => first.len_utf8(),
            (None, kind) => rest.find(|c| Kind::of(c) != kind).unwrap_or(rest.len()),
        };
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

#[derive(PartialEq, Eq)]
enum Kind {
    Letter,
    Digit,
    Space,
    Other,
}

impl Kind {
    fn of(c: char) -> Self {
        match c.general_category_group() {
            Group::Letter => Self::Letter,
            // An iota to those who ignore case, and a mark to others: the published pattern takes it for neither, and passes over it.
            _ if c == '\u{345}' => Self::Space,
            Group::Number => Self::Digit,
            _ if c.is_whitespace() => Self::Space,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_contractions_letters_digits_and_the_rest() {
        let cut = |text| pieces(text).collect::<Vec<_>>();
        assert_eq!(cut("it's 1990's "), ["it", "'s", "1", "9", "9", "0", "'s"]);
        assert_eq!(cut("they'll've'"), ["they", "'ll", "'ve", "'"]);
        assert_eq!(cut("wow!!'s (a)"), ["wow", "!!'", "s", "(", "a", ")"]);
        assert_eq!(cut("é̂x½ ☃️"), ["é", "̂", "x", "½", "☃️"]);
        assert_eq!(cut("σ\u{345}b"), ["σ", "b"]);
        assert!(cut(" \u{2003}\n").is_empty());
    }

    #[test]
    fn what_is_cleaned_is_composed_and_in_lower_case() {
        assert_eq!(clean("E\u{301}\u{200d}A\0\u{fffd}\u{7f}"), "éa");
        assert_eq!(clean("ΟΔΟΣ"), "οδος");
        assert_eq!(clean("a猫b"), "a 猫 b");
    }
}
