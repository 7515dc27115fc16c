//! Prompts become the numbers that transformers' tokenizer makes of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;

use guidestar::tokenizer::{self, Tokenizer};
use proptest::prelude::*;
use serde::Deserialize;
use tokenizers::{
    AddedToken, SplitDelimiterBehavior,
    models::bpe::{BPE, Vocab},
    pre_tokenizers::{
        PreTokenizerWrapper,
        byte_level::ByteLevel,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
}

#[test]
fn every_string_is_what_transformers_makes_of_it() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/tokens.json")).unwrap();
    assert!(cases.len() > 150);
    let tokenizer = Tokenizer::clip().unwrap();
    let wrong: Vec<String> = cases
        .into_iter()
        .filter_map(|Case { text, mut ids }| {
            ids.resize(77, 49407);
            let found = tokenizer.encode(&text).ids;
            let at = found.iter().zip(&ids).position(|(a, b)| a != b)?;
            Some(format!("{text:?} at {at}:\n{found:?}\n{ids:?}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} differ: {}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn an_empty_prompt_is_start_and_padding() {
    let tokens = Tokenizer::clip().unwrap().encode("");
    assert_eq!(tokens.ids[..2], [49406, 49407]);
    assert_eq!((tokens.ids.len(), tokens.used), (77, 0));
    assert!(tokens.lost.is_empty());
}

#[test]
fn what_does_not_fit_is_said() {
    let tokenizer = Tokenizer::clip().unwrap();
    let fits = vec!["cat"; 75].join(" ");
    assert!(tokenizer.encode(&fits).lost.is_empty());

    let tokens = tokenizer.encode(&format!("{fits} Blue  Skies"));
    assert_eq!(tokens.lost, ["Blue", "Skies"]);
    assert_eq!(
        (tokens.used, tokens.ids[75], tokens.ids[76]),
        (75, 2368, 49407)
    );

    let cut = format!(
        "{} antidisestablishmentarianism dog",
        vec!["cat"; 74].join(" ")
    );
    let tokens = tokenizer.encode(&cut);
    assert_eq!(tokens.lost, ["antidisestablishmentarianism", "dog"]);
    assert_eq!(tokens.used, 75);
}

#[test]
fn ten_thousand_words_are_cut_and_counted() {
    let prompt = vec!["word"; 10_000].join(" ");
    let tokens = Tokenizer::clip().unwrap().encode(&prompt);
    assert_eq!((tokens.ids.len(), tokens.lost.len()), (77, 10_000 - 75));
}

#[test]
fn the_checkpoints_own_words_win() {
    let file = |name: &str| {
        let path = format!(
            "{}/models/mini/tokenizer/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        (
            format!("tokenizer/{name}"),
            std::fs::read_to_string(path).unwrap(),
        )
    };
    let names = ["vocab.json", "merges.txt", "tokenizer_config.json"];
    let files: BTreeMap<String, String> = names.map(file).into();
    let tokens = Tokenizer::from_descriptions(&files)
        .unwrap()
        .encode("a red apple");
    assert_eq!((tokens.ids[0], tokens.ids[76], tokens.used), (985, 986, 3));

    let clip = Tokenizer::from_descriptions(&BTreeMap::new()).unwrap();
    assert_eq!(
        clip.encode("a photo of a cat").ids[1..6],
        [320, 1125, 539, 320, 2368]
    );
}

#[test]
fn the_same_words_in_one_file_give_the_same_numbers() {
    let merges = [["a", "b"], ["ab", "c</w>"]];
    let words = [
        "a",
        "b",
        "c",
        "a</w>",
        "b</w>",
        "c</w>",
        "ab",
        "abc</w>",
        "<|startoftext|>",
        "<|endoftext|>",
    ];
    let vocab: BTreeMap<&str, usize> = words.into_iter().zip(0..).collect();
    let whole = serde_json::json!({ "model": { "vocab": vocab, "merges": merges } }).to_string();
    let split = [
        (
            "tokenizer/vocab.json".to_owned(),
            serde_json::json!(vocab).to_string(),
        ),
        (
            "tokenizer/merges.txt".to_owned(),
            "#version: 0.2\na b\nab c</w>\n".to_owned(),
        ),
    ];
    let whole = BTreeMap::from([("tokenizer/tokenizer.json".to_owned(), whole)]);
    let expected = [8, 7, 6, 3, 9];
    for files in [whole, split.into()] {
        let tokens = Tokenizer::from_descriptions(&files)
            .unwrap()
            .encode("abc aba");
        assert_eq!(tokens.ids[..5], expected);
    }
}

#[test]
fn a_vocabulary_without_an_end_is_refused() {
    let files = BTreeMap::from([
        (
            "tokenizer/vocab.json".to_owned(),
            r#"{"a":0,"<|startoftext|>":1}"#.to_owned(),
        ),
        ("tokenizer/merges.txt".to_owned(), String::new()),
    ]);
    let error = Tokenizer::from_descriptions(&files)
        .err()
        .unwrap()
        .to_string();
    assert_eq!(
        error,
        r#"the checkpoint's tokenizer (vocabulary): it has no "<|endoftext|>""#
    );
}

/// Cuts and joins as CLIP does, put together from the general `tokenizers` crate.
fn general() -> tokenizers::Tokenizer {
    const PIECES: &str = r"(?i)'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
    let merges = tokenizer::clip_merges().unwrap();
    let files = tokenizer::clip_files(merges);
    let vocab: Vocab = serde_json::from_str(&files["tokenizer/vocab.json"]).unwrap();
    let pairs = merges.lines().skip(1).filter_map(|line| {
        let (left, right) = line.split_once(' ')?;
        Some((left.to_owned(), right.to_owned()))
    });
    let model = BPE::builder()
        .vocab_and_merges(vocab, pairs.collect())
        .end_of_word_suffix("</w>".to_owned())
        .build()
        .unwrap();
    let mut general = tokenizers::Tokenizer::new(model);
    let pattern = SplitPattern::Regex(PIECES.to_owned());
    general.with_pre_tokenizer(Some(Sequence::new(vec![
        PreTokenizerWrapper::Split(
            Split::new(pattern, SplitDelimiterBehavior::Removed, true).unwrap(),
        ),
        PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, false)),
    ])));
    let special = ["<|startoftext|>", "<|endoftext|>"].map(|text| AddedToken::from(text, true));
    general.add_special_tokens(special).unwrap();
    general
}

#[test]
fn any_clean_text_becomes_what_the_general_crate_makes_of_it() {
    let (own, general) = (Tokenizer::clip().unwrap(), general());
    let text = proptest::string::string_regex("([a-zéßñя☃½0-9'!.,() -]|<\\|endoftext\\|>){0,60}");
    proptest!(ProptestConfig::with_cases(512), |(text in text.unwrap())| {
        let found = own.encode(&text);
        let whole = general.encode(&text[..], false).unwrap();
        let wanted: Vec<u32> = whole.get_ids().iter().copied().take(75).collect();
        prop_assert_eq!(&found.ids[1..=found.used], &wanted[..]);
    });
}
