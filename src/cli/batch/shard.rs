//! Which lines of a job file are one process's.

use std::{fmt, str::FromStr};

/// One of several equal parts, spelled `0/4` to `3/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    of: usize,
}

impl Shard {
    /// Whether the line of this number, from 0, is in it.
    pub fn has(self, number: usize) -> bool {
        number % self.of == self.index
    }

    /// The name of its manifest.
    pub fn manifest(self) -> String {
        match self.of {
            1 => "manifest.jsonl".to_owned(),
            _ => format!("manifest-{}-of-{}.jsonl", self.index, self.of),
        }
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no shard: write 0/4 to 3/4 for the four parts of a file");
        let (index, of) = text.split_once('/').ok_or_else(wrong)?;
        let number = |digits: &str| digits.parse().map_err(|_| wrong());
        let (index, of) = (number(index)?, number(of)?);
        if index < of {
            Ok(Self { index, of })
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_lines_without_rest() {
        let shards: Vec<Shard> = (0..3).map(|i| format!("{i}/3").parse().unwrap()).collect();
        for number in 0..20 {
            assert_eq!(shards.iter().filter(|shard| shard.has(number)).count(), 1);
        }
        for wrong in ["", "1", "3/3", "0/0", "-1/2", "a/b"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
