//! The rooms of the crate and the arrows between them: who may name whom.
//!
//! A plain reading of the sources, no parser: comments are dropped, then every `crate::room` counts.

use std::{collections::BTreeSet, fs, path::Path};

/// What a session stands on; the command line and the page, which stand on it, may also name what it takes and gives.
const SESSION: [&str; 9] = [
    "guidance",
    "measures",
    "diffusion",
    "models",
    "weights",
    "picture",
    "tokenizer",
    "tensor",
    "session",
];

/// Each room and the rooms that it may name, beside itself and `error`.
const ARROWS: [(&str, &[&str]); 14] = [
    ("main", &["cli"]),
    ("cli", &SESSION),
    ("web", &SESSION),
    ("session", &SESSION),
    ("guidance", &["diffusion", "models", "tensor"]),
    (
        "measures",
        &["models", "picture", "tensor", "tokenizer", "weights"],
    ),
    ("diffusion", &["tensor"]),
    // A folder of weights has the tokenizer's files in it.
    ("weights", &["models", "tensor", "tokenizer"]),
    ("models", &["tensor"]),
    ("picture", &["tensor"]),
    ("tokenizer", &[]),
    ("tensor", &["engine"]),
    ("engine", &[]),
    ("error", &[]),
];

/// Files inside rooms that name nothing but themselves and errors.
const LEAVES: [&str; 2] = ["diffusion/schedule.rs", "models/config/"];

/// A source file: its path below `src`, and its lines without comments.
struct Source {
    path: String,
    lines: Vec<String>,
}

impl Source {
    /// The room it is in.
    fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("a file of sources").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below the root");
                let text = fs::read_to_string(&path).expect("sources are text");
                found.push(Source {
                    path: name.to_string_lossy().replace('\\', "/"),
                    lines: text.lines().map(without_comment).collect(),
                });
            }
        }
    }
    assert!(found.len() > 20, "the sources are where they were");
    found
}

fn without_comment(line: &str) -> String {
    line.split("//").next().unwrap_or_default().to_owned()
}

/// The first names behind each `crate::` and `guidestar::`, braces opened.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for root in ["crate::", "guidestar::"] {
        for (at, _) in text.match_indices(root) {
            let rest = &text[at + root.len()..];
            let group = rest.strip_prefix('{').map_or(first_name(rest), top_level);
            names.extend(group.into_iter().filter(|name| is_module(name)));
        }
    }
    names
}

fn first_name(text: &str) -> Vec<String> {
    let name = text
        .chars()
        .take_while(|&c| c.is_alphanumeric() || c == '_');
    vec![name.collect()]
}

/// The first names of a use group's parts, from behind its opening brace.
fn top_level(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut part = String::new();
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => names.extend(first_name(std::mem::take(&mut part).trim())),
            _ => part.push(c),
        }
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.extend(first_name(part.trim()));
    names
}

/// A type or a macro at the crate's root is not a room.
fn is_module(name: &str) -> bool {
    name.starts_with(|c: char| c.is_lowercase()) && name != "self"
}

#[test]
fn rooms_name_only_the_rooms_below_them() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.path != "lib.rs") {
        let room = source.room();
        let arrow = ARROWS.iter().find(|(from, _)| *from == room);
        let (_, below) = arrow.unwrap_or_else(|| panic!("{room} is a room without arrows"));
        let leaf = LEAVES.iter().any(|leaf| source.path.starts_with(leaf));
        for name in rooms_named(&source.lines.join("\n")) {
            let allowed =
                name == room || name == "error" || !leaf && below.contains(&name.as_str());
            if !allowed {
                wrong.push(format!("{} names {name}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_engines_name_wgpu_and_burn() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.room() != "engine") {
        for line in &source.lines {
            for crate_name in ["wgpu::", "burn::"] {
                // Our own module of that name is reached through `engine::`.
                let foreign = line.match_indices(crate_name).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c == ':' || c == '_' || c.is_alphanumeric())
                });
                if foreign {
                    wrong.push(format!("{}: {}", source.path, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_universal_guidance_asks_for_gradients() {
    let mut wrong = Vec::new();
    for source in sources() {
        let allowed = ["tensor/gradient/", "guidance/universal/"];
        if allowed.iter().any(|room| source.path.starts_with(room)) {
            continue;
        }
        let asks = |line: &&String| line.contains(".gradient(") || line.contains(".tracked(");
        let lines = source.lines.iter().filter(asks);
        wrong.extend(lines.map(|line| format!("{}: {}", source.path, line.trim())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn platforms_are_told_apart_only_where_modules_are_named() {
    let mut wrong = Vec::new();
    for source in sources() {
        let mut lines = source
            .lines
            .iter()
            .skip_while(|line| !line.contains("target_arch"));
        while let Some(line) = lines.next() {
            if !line.contains("target_arch") {
                continue;
            }
            // Other attributes may stand between the condition and what it is about.
            let about = lines
                .by_ref()
                .map(|line| line.trim())
                .find(|line| !line.is_empty() && !line.starts_with("#["))
                .unwrap_or_default();
            let words: Vec<&str> = about.split_whitespace().collect();
            let names_module = match words[..] {
                ["mod", _] | [_, "mod", _] => about.ends_with(';'),
                // What a module that is there on one platform offers.
                ["pub" | "pub(crate)", "use", path] => path.ends_with(';'),
                _ => false,
            };
            if !names_module {
                wrong.push(format!("{}: {about}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
