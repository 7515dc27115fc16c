//! Pieces as numbers: letters are joined in pairs, the most frequent first, until no pair is known.

use std::collections::HashMap;

/// Two parts of a word that are joined, the most frequent first.
pub type Merges = Vec<(String, String)>;

/// What the last letter of a word ends with.
pub const WORD_END: &str = "</w>";

/// Byte-pair encoding with one vocabulary.
pub struct Pairs {
    /// The number of each byte, inside a word and at its end.
    bytes: [[u32; 256]; 2],
    joined: HashMap<[u32; 2], Joined>,
}

/// What becomes of a pair.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Joined {
    rank: usize,
    pair: [u32; 2],
    id: u32,
}

impl Pairs {
    /// Joins `merges` to words of `vocab`; `unknown` stands for a byte that it lacks.
    ///
    /// # Errors
    /// The word that a merge needs and the vocabulary lacks.
    pub fn new(
        vocab: &HashMap<String, u32>,
        merges: &Merges,
        unknown: u32,
    ) -> Result<Self, String> {
        let id = |word: &str| {
            let id = vocab.get(word).copied();
            id.ok_or_else(|| format!("they join {word:?}, which the vocabulary lacks"))
        };
        let mut joined = HashMap::with_capacity(merges.len());
        for (rank, (left, right)) in merges.iter().enumerate() {
            let pair = [id(left)?, id(right)?];
            let id = id(&format!("{left}{right}"))?;
            joined.insert(pair, Joined { rank, pair, id });
        }
        let letters = byte_letters();
        let bytes = ["", WORD_END].map(|end| {
            letters.map(|letter| {
                let id = vocab.get(&format!("{letter}{end}"));
                id.copied().unwrap_or(unknown)
            })
        });
        Ok(Self { bytes, joined })
    }

    /// The numbers of a piece.
    pub fn encode(&self, piece: &str) -> Vec<u32> {
        let [inside, last] = &self.bytes;
        let mut bytes = piece.bytes().map(usize::from);
        let mut ids: Vec<u32> = bytes.clone().map(|byte| inside[byte]).collect();
        if let (Some(id), Some(byte)) = (ids.last_mut(), bytes.next_back()) {
            *id = last[byte];
        }
        while let Some(next) = self.next(&ids) {
            join(&mut ids, next);
        }
        ids
    }

    /// The most frequent pair that there is.
    fn next(&self, ids: &[u32]) -> Option<Joined> {
        let known = ids.windows(2).filter_map(|pair| {
            let pair = [pair[0], pair[1]];
            self.joined.get(&pair).copied()
        });
        known.min()
    }
}

/// Joins a pair wherever it is.
fn join(ids: &mut Vec<u32>, Joined { pair, id, .. }: Joined) {
    let mut at = 0;
    let mut kept = 0;
    while at < ids.len() {
        let is_pair = ids[at..].starts_with(&pair);
        ids[kept] = if is_pair { id } else { ids[at] };
        kept += 1;
        at += if is_pair { 2 } else { 1 };
    }
    ids.truncate(kept);
}

/// The letters that stand for the 256 bytes in a vocabulary: printable Latin-1 for itself, the others from U+0100 on.
fn byte_letters() -> [char; 256] {
    let mut others = ('\u{100}'..).take(256);
    std::array::from_fn(|byte| match byte as u8 {
        byte @ (b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff) => char::from(byte),
        _ => others.next().unwrap_or_default(),
    })
}

/// The vocabulary as CLIP builds it: every letter, every letter at the end of a word, every pair, and `more`. Printable letters
/// come first.
pub fn vocab_from_merges(merges: &Merges, more: [&str; 2]) -> HashMap<String, u32> {
    let letters = byte_letters();
    let printable = letters.iter().filter(|letter| **letter < '\u{100}');
    let others = letters.iter().filter(|letter| **letter >= '\u{100}');
    let letters: Vec<_> = printable.chain(others).map(ToString::to_string).collect();
    let last_letters = letters.iter().map(|letter| format!("{letter}{WORD_END}"));
    let pairs = merges.iter().map(|(left, right)| format!("{left}{right}"));
    let words = letters.iter().cloned().chain(last_letters).chain(pairs);
    words.chain(more.map(str::to_owned)).zip(0..).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_letters_of_published_vocabularies() {
        let letters = byte_letters();
        assert_eq!((letters[0], letters[0x20]), ('Ā', 'Ġ'));
        assert_eq!((letters[0x7f], letters[0xad]), ('ġ', 'Ń'));
        assert_eq!((letters[0x21], letters[0xff]), ('!', 'ÿ'));
    }

    #[test]
    fn the_most_frequent_pair_is_joined_first_wherever_it_is() {
        let words = ["b", "c", "bc", "cb</w>"];
        let merges = [("b", "c"), ("c", "b</w>")];
        let merges = merges.map(|(left, right)| (left.to_owned(), right.to_owned()));
        let more = ["b</w>", "c</w>"];
        let vocab = words.into_iter().chain(more).map(str::to_owned).zip(0..);
        let pairs = Pairs::new(&vocab.collect(), &merges.into(), 99).unwrap();
        assert_eq!(pairs.encode("bcbcb"), [2, 2, 4]);
        assert_eq!(pairs.encode("ccb"), [1, 3]);
        assert_eq!(pairs.encode("xb"), [99, 4]);
        assert!(pairs.encode("").is_empty());
    }
}
