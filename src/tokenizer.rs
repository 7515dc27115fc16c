//! Prompts as the numbers a text encoder reads: CLIP's byte-pair encoding.
//!
//! What `CLIPTokenizer` of transformers does when ftfy is not installed, which is how diffusers is mostly run
//! (<https://github.com/huggingface/transformers/blob/v4.44.2/src/transformers/models/clip/tokenization_clip.py>):
//! control characters go, CJK ideographs stand alone, NFC, lower case, and the rest is the `tokenizers` crate's.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{
    AddedToken, NormalizedString, Normalizer, SplitDelimiterBehavior,
    models::bpe::{BPE, Vocab},
    normalizers::BertNormalizer,
    pre_tokenizers::{
        PreTokenizerWrapper,
        byte_level::ByteLevel,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use crate::error::{Error, Result};

/// The merges of OpenAI's CLIP, for checkpoints in a single file, which carry none.
const CLIP_MERGES: &str = include_str!("../assets/clip/merges.txt");

/// How CLIP cuts text before it looks for pairs (<https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py>).
const PIECES: &str = r"(?i)'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

/// Two pieces of a word that are merged, the most frequent first.
type Pairs = Vec<(String, String)>;

/// Positions a text encoder of Stable Diffusion 1.x has.
const POSITIONS: usize = 77;

/// Turns prompts into token numbers.
pub struct Tokenizer {
    encoder: tokenizers::Tokenizer,
    cleaner: BertNormalizer,
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
    /// Never, as long as the embedded file is whole.
    pub fn clip() -> Result<Self> {
        let merges = parse_merges(CLIP_MERGES);
        let vocab = vocab_from_merges(&merges);
        Self::new(vocab, merges, &Settings::default())
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
            return Self::new(vocab, parse_merges(merges), &settings);
        }
        if let Some(text) = file("tokenizer.json") {
            let (vocab, merges) = parse_whole(text)?;
            return Self::new(vocab, merges, &settings);
        }
        let merges = parse_merges(CLIP_MERGES);
        Self::new(vocab_from_merges(&merges), merges, &settings)
    }

    fn new(vocab: HashMap<String, u32>, merges: Pairs, settings: &Settings) -> Result<Self> {
        let id = |token: &str| {
            vocab
                .get(token)
                .copied()
                .ok_or_else(|| wrong("vocabulary", &format!("it has no {token:?}")))
        };
        let (start, end, pad) = (id(&settings.start)?, id(&settings.end)?, id(&settings.pad)?);
        let model = BPE::builder()
            .vocab_and_merges(vocab.into_iter().collect::<Vocab>(), merges)
            .unk_token(settings.end.clone())
            .end_of_word_suffix("</w>".to_owned())
            .build()
            .map_err(|error| wrong("merges", &error))?;
        let mut encoder = tokenizers::Tokenizer::new(model);
        let pieces = Split::new(
            SplitPattern::Regex(PIECES.to_owned()),
            SplitDelimiterBehavior::Removed,
            true,
        )
        .map_err(|error| wrong("pattern", &error))?;
        encoder.with_pre_tokenizer(Some(Sequence::new(vec![
            PreTokenizerWrapper::Split(pieces),
            PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, false)),
        ])));
        let special =
            [&settings.start, &settings.end].map(|text| AddedToken::from(text.clone(), true));
        encoder
            .add_special_tokens(special)
            .map_err(|error| wrong("special tokens", &error))?;
        Ok(Self {
            encoder,
            cleaner: BertNormalizer::new(true, true, Some(false), false),
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
    ///
    /// # Errors
    /// When a word has bytes that the vocabulary lacks.
    pub fn encode(&self, prompt: &str) -> Result<Tokens> {
        let room = self.length - 2;
        let mut ids = Vec::with_capacity(self.length);
        ids.push(self.start);
        let mut lost = Vec::new();
        for word in prompt.split(is_gap).filter(|word| !word.is_empty()) {
            let left = room + 1 - ids.len();
            if left == 0 {
                // A word of control characters alone is nothing, and nothing is lost with it.
                if !self.clean(word)?.trim().is_empty() {
                    lost.push(word.to_owned());
                }
                continue;
            }
            let encoding = self
                .encoder
                .encode(self.clean(word)?, false)
                .map_err(|error| wrong("encoding", &error))?;
            let found = encoding.get_ids();
            if found.len() > left {
                lost.push(word.to_owned());
            }
            ids.extend(&found[..found.len().min(left)]);
        }
        let used = ids.len() - 1;
        ids.push(self.end);
        ids.resize(self.length, self.pad);
        Ok(Tokens { ids, used, lost })
    }

    /// A word without control characters, with spaces around ideographs, composed, in lower case.
    fn clean(&self, word: &str) -> Result<String> {
        let mut text = NormalizedString::from(word);
        self.cleaner
            .normalize(&mut text)
            .map_err(|error| wrong("encoding", &error))?;
        text.nfc();
        // Not the crate's, which takes every letter alone and so misses the final sigma.
        Ok(text.get().to_lowercase())
    }
}

/// CLIP's words as the files of a checkpoint in the diffusers layout, by their path in it.
pub fn clip_files() -> BTreeMap<String, String> {
    let vocab: BTreeMap<String, u32> = vocab_from_merges(&parse_merges(CLIP_MERGES))
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
        ("merges.txt", CLIP_MERGES.to_owned()),
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
fn parse_merges(text: &str) -> Pairs {
    text.lines()
        .enumerate()
        .filter(|(index, line)| *index > 0 || !line.starts_with("#version"))
        .filter_map(|(_, line)| line.split_once(' '))
        .map(|(left, right)| (left.to_owned(), right.to_owned()))
        .collect()
}

/// The vocabulary as CLIP builds it: every byte, every byte at the end of a word, every pair, start, end.
fn vocab_from_merges(merges: &[(String, String)]) -> HashMap<String, u32> {
    let bytes = byte_letters();
    let letters = bytes.iter().map(ToString::to_string);
    let last_letters = bytes.iter().map(|letter| format!("{letter}</w>"));
    let pairs = merges.iter().map(|(left, right)| format!("{left}{right}"));
    letters
        .chain(last_letters)
        .chain(pairs)
        .chain([START.to_owned(), END.to_owned()])
        .zip(0..)
        .collect()
}

/// The letters that stand for the 256 bytes: printable Latin-1 for itself, then the others from U+0100 on.
fn byte_letters() -> Vec<char> {
    let printable = ('!'..='~').chain('¡'..='¬').chain('®'..='ÿ');
    let printable: Vec<char> = printable.collect();
    let rest = (256..)
        .map_while(char::from_u32)
        .take(256 - printable.len());
    printable.iter().copied().chain(rest).collect()
}

/// Vocabulary and merges from a `tokenizer.json`, which writes a merge as `"a b"` or as `["a", "b"]`.
fn parse_whole(text: &str) -> Result<(HashMap<String, u32>, Pairs)> {
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
