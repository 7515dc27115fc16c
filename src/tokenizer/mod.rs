//! Prompts as the numbers a text encoder reads: CLIP's byte-pair encoding.
//!
//! What `CLIPTokenizer` of transformers does when ftfy is not installed, which is how diffusers is mostly run
//! (<https://github.com/huggingface/transformers/blob/v4.44.2/src/transformers/models/clip/tokenization_clip.py>):
//! control characters go, CJK ideographs stand alone, NFC, lower case, then [`pieces`] cuts and [`pairs`] joins. Written here
//! because a general tokenizer is a quarter of the engine that a visitor of the page waits for.

mod pairs;
mod pieces;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use pairs::{Merges, Pairs, vocab_from_merges};

/// The merges of OpenAI's CLIP, for checkpoints in a single file, which carry none. A page fetches them when it needs them.
#[cfg(feature = "clip")]
const CLIP_MERGES: Option<&str> = Some(include_str!("../../assets/clip/merges.txt"));
#[cfg(not(feature = "clip"))]
const CLIP_MERGES: Option<&str> = None;

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

/// Positions a text encoder of Stable Diffusion 1.x has.
const POSITIONS: usize = 77;

/// Turns prompts into token numbers.
pub struct Tokenizer {
    pairs: Pairs,
    /// Words of the vocabulary that are taken as they stand, wherever they do.
    special: [(String, u32); 2],
    start: u32,
    end: u32,
    pad: u32,
    length: usize,
}

/// A prompt as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// As many as the text encoder has positions: start, the prompt, end, padding.
    pub ids: Vec<u32>,
    /// How many of them are the prompt's own.
    pub used: usize,
    /// The words that did not fit, as they were written; the first may have been cut in the middle.
    pub lost: Vec<String>,
}

impl Tokenizer {
    /// OpenAI's CLIP, which every Stable Diffusion 1.x was trained with.
    ///
    /// # Errors
    /// When this build does not carry it.
    pub fn clip() -> Result<Self> {
        Self::from_descriptions(&BTreeMap::new())
    }

    /// Whether a checkpoint's files say which words it knows; if not, they are CLIP's.
    pub fn is_described(files: &BTreeMap<String, String>) -> bool {
        let has = |name: &str| files.contains_key(&format!("tokenizer/{name}"));
        has("tokenizer.json") || (has("vocab.json") && has("merges.txt"))
    }

    /// Reads a checkpoint's own words, from files by their path in the diffusers layout: `tokenizer/vocab.json` and
    /// `merges.txt`, or `tokenizer.json`, and `tokenizer_config.json`. When there are none it is CLIP's.
    ///
    /// # Errors
    /// When the files are not what they should be.
    pub fn from_descriptions(files: &BTreeMap<String, String>) -> Result<Self> {
        let file = |name: &str| files.get(&format!("tokenizer/{name}")).map(String::as_str);
        let settings = match file("tokenizer_config.json") {
            Some(text) => Settings::read(text)?,
            None => Settings::default(),
        };
        if let (Some(vocab), Some(merges)) = (file("vocab.json"), file("merges.txt")) {
            let vocab: HashMap<String, u32> =
                serde_json::from_str(vocab).map_err(|error| wrong("vocab.json", &error))?;
            return Self::new(&vocab, &parse_merges(merges), &settings);
        }
        if let Some(text) = file("tokenizer.json") {
            let (vocab, merges) = parse_whole(text)?;
            return Self::new(&vocab, &merges, &settings);
        }
        let merges = parse_merges(clip_merges()?);
        Self::new(
            &vocab_from_merges(&merges, [START, END]),
            &merges,
            &settings,
        )
    }

    fn new(vocab: &HashMap<String, u32>, merges: &Merges, settings: &Settings) -> Result<Self> {
        let id = |token: &str| {
            vocab
                .get(token)
                .copied()
                .ok_or_else(|| wrong("vocabulary", &format!("it has no {token:?}")))
        };
        let (start, end, pad) = (id(&settings.start)?, id(&settings.end)?, id(&settings.pad)?);
        Ok(Self {
            pairs: Pairs::new(vocab, merges, end).map_err(|error| wrong("merges", &error))?,
            special: [(settings.start.clone(), start), (settings.end.clone(), end)],
            start,
            end,
            pad,
            length: settings.length,
        })
    }

    /// How many numbers a prompt becomes, whatever it says.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Turns a prompt into numbers. What does not fit is cut off and said.
    pub fn encode(&self, prompt: &str) -> Tokens {
        let room = self.length - 2;
        let mut ids = Vec::with_capacity(self.length);
        ids.push(self.start);
        let mut lost = Vec::new();
        for word in prompt.split(is_gap).filter(|word| !word.is_empty()) {
            let left = room + 1 - ids.len();
            if left == 0 {
                // A word of control characters alone is nothing, and nothing is lost with it.
                if !pieces::clean(word).trim().is_empty() {
                    lost.push(word.to_owned());
                }
                continue;
            }
            let found = self.numbers(&pieces::clean(word));
            if found.len() > left {
                lost.push(word.to_owned());
            }
            ids.extend(&found[..found.len().min(left)]);
        }
        let used = ids.len() - 1;
        ids.push(self.end);
        ids.resize(self.length, self.pad);
        Tokens { ids, used, lost }
    }

    /// The numbers of a text that was cleaned.
    fn numbers(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut rest = text;
        while let Some((at, Reverse(length), id)) = self.special_in(rest) {
            ids.extend(self.ordinary(&rest[..at]));
            ids.push(id);
            rest = &rest[at + length..];
        }
        ids.extend(self.ordinary(rest));
        ids
    }

    /// Where the first special word of a text is, how long, and its number.
    fn special_in(&self, text: &str) -> Option<(usize, Reverse<usize>, u32)> {
        let special = self.special.iter().filter(|(word, _)| !word.is_empty());
        let found =
            special.filter_map(|(word, id)| Some((text.find(word)?, Reverse(word.len()), *id)));
        found.min()
    }

    fn ordinary(&self, text: &str) -> impl Iterator<Item = u32> {
        pieces::pieces(text).flat_map(|piece| self.pairs.encode(piece))
    }
}

/// The merges of OpenAI's CLIP.
///
/// # Errors
/// When this build does not carry them.
pub fn clip_merges() -> Result<&'static str> {
    CLIP_MERGES.ok_or_else(|| wrong("merges.txt", &"there is none, and this build carries none"))
}

/// CLIP's words as the files of a checkpoint in the diffusers layout, by their path in it; `merges` are CLIP's.
pub fn clip_files(merges: &str) -> BTreeMap<String, String> {
    let vocab: BTreeMap<String, u32> = vocab_from_merges(&parse_merges(merges), [START, END])
        .into_iter()
        .collect();
    let config = serde_json::json!({
        "bos_token": START,
        "eos_token": END,
        "model_max_length": POSITIONS,
        "pad_token": END,
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": END,
    });
    [
        ("vocab.json", serde_json::json!(vocab).to_string()),
        ("merges.txt", merges.to_owned()),
        ("tokenizer_config.json", config.to_string()),
    ]
    .map(|(name, text)| (format!("tokenizer/{name}"), text))
    .into()
}

/// What separates words: white space that Python's cleaning keeps, that is all but control characters that are not
/// tabs or line ends.
fn is_gap(c: char) -> bool {
    c.is_whitespace() && (!c.is_control() || matches!(c, '\t' | '\n' | '\r'))
}

/// What `tokenizer_config.json` decides.
struct Settings {
    start: String,
    end: String,
    pad: String,
    length: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            start: START.to_owned(),
            end: END.to_owned(),
            pad: END.to_owned(),
            length: POSITIONS,
        }
    }
}

impl Settings {
    fn read(text: &str) -> Result<Self> {
        let config: Value =
            serde_json::from_str(text).map_err(|error| wrong("tokenizer_config.json", &error))?;
        // A token is written as its text, or as an object with its text and how it is found.
        let token = |name: &str, default: &str| {
            let value = &config[name];
            let text = value.as_str().or_else(|| value["content"].as_str());
            text.unwrap_or(default).to_owned()
        };
        let end = token("eos_token", END);
        // "No limit" is written as 10^30, which is no limit that a text encoder has.
        let length = config["model_max_length"]
            .as_u64()
            .map_or(POSITIONS, |length| length as usize)
            .clamp(2, POSITIONS);
        Ok(Self {
            start: token("bos_token", START),
            pad: token("pad_token", &end),
            end,
            length,
        })
    }
}

/// Pairs in the order they are merged, one a line.
fn parse_merges(text: &str) -> Merges {
    text.lines()
        .enumerate()
        .filter(|(index, line)| *index > 0 || !line.starts_with("#version"))
        .filter_map(|(_, line)| line.split_once(' '))
        .map(|(left, right)| (left.to_owned(), right.to_owned()))
        .collect()
}

/// Vocabulary and merges from a `tokenizer.json`, which writes a merge as `"a b"` or as `["a", "b"]`.
fn parse_whole(text: &str) -> Result<(HashMap<String, u32>, Merges)> {
    #[derive(Deserialize)]
    struct Whole {
        model: Model,
    }
    #[derive(Deserialize)]
    struct Model {
        vocab: HashMap<String, u32>,
        merges: Vec<Merge>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Merge {
        Line(String),
        Pair(String, String),
    }
    let whole: Whole =
        serde_json::from_str(text).map_err(|error| wrong("tokenizer.json", &error))?;
    let merges = whole
        .model
        .merges
        .into_iter()
        .filter_map(|merge| match merge {
            Merge::Line(line) => line
                .split_once(' ')
                .map(|(left, right)| (left.to_owned(), right.to_owned())),
            Merge::Pair(left, right) => Some((left, right)),
        });
    Ok((whole.model.vocab, merges.collect()))
}

fn wrong(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Weights {
        place: format!("the checkpoint's tokenizer ({what})"),
        problem: error.to_string(),
    }
}
