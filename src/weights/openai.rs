//! CLIP's text encoder as `OpenAI`'s own files store it, under the names that models ask for.

use super::header::{Entry, Header};

/// What its layers are called in the file, and here.
const LAYERS: [&str; 2] = ["transformer.resblocks.", "text_model.encoder.layers."];

/// What a layer's parts are called in the file, and here.
const PARTS: [[&str; 2]; 5] = [
    ["ln_1.", "layer_norm1."],
    ["ln_2.", "layer_norm2."],
    ["attn.out_proj.", "self_attn.out_proj."],
    ["mlp.c_fc.", "mlp.fc1."],
    ["mlp.c_proj.", "mlp.fc2."],
];

/// The tensors of a file's text encoder. What asks, what answers and what is answered lie in one tensor there, one behind
/// another, and become three.
pub fn text(header: &Header) -> Header {
    Header {
        entries: header.entries.iter().flat_map(renamed).collect(),
        metadata: header.metadata.clone(),
    }
}

fn renamed(entry: &Entry) -> Vec<Entry> {
    let called = |name: String| Entry {
        name,
        ..entry.clone()
    };
    let whole = match &entry.name[..] {
        "token_embedding.weight" => Some("text_model.embeddings.token_embedding.weight"),
        "positional_embedding" => Some("text_model.embeddings.position_embedding.weight"),
        "ln_final.weight" => Some("text_model.final_layer_norm.weight"),
        "ln_final.bias" => Some("text_model.final_layer_norm.bias"),
        "text_projection" => Some("text_projection"),
        _ => None,
    };
    if let Some(name) = whole {
        return vec![called(name.to_owned())];
    }
    let [theirs, ours] = LAYERS;
    let layer = entry.name.strip_prefix(theirs);
    let Some((at, part)) = layer.and_then(|rest| rest.split_once('.')) else {
        return Vec::new();
    };
    if let Some(kind) = part.strip_prefix("attn.in_proj_") {
        return thirds(entry, |third| {
            format!("{ours}{at}.self_attn.{third}_proj.{kind}")
        });
    }
    let known = PARTS.iter().find_map(|[theirs, ours]| {
        let kind = part.strip_prefix(theirs)?;
        Some(format!("{ours}{kind}"))
    });
    known
        .map(|part| called(format!("{ours}{at}.{part}")))
        .into_iter()
        .collect()
}

/// A tensor's rows in three parts; the tensor as it is where they do not divide or do not lie one behind another.
fn thirds(entry: &Entry, name: impl Fn(char) -> String) -> Vec<Entry> {
    let bytes = entry.bytes.end - entry.bytes.start;
    let rows = entry.shape.first().copied().unwrap_or_default();
    if !entry.order.is_empty() || !rows.is_multiple_of(3) || !bytes.is_multiple_of(3) {
        return vec![entry.clone()];
    }
    let third = bytes / 3;
    let mut shape = entry.shape.clone();
    shape[0] = rows / 3;
    let part = |(at, letter)| {
        let start = entry.bytes.start + at * third;
        Entry {
            name: name(letter),
            shape: shape.clone(),
            bytes: start..start + third,
            ..entry.clone()
        }
    };
    (0..).zip(['q', 'k', 'v']).map(part).collect()
}
