//! How much of wasm's own memory a large checkpoint takes while it is loaded.

use std::fmt::Write as _;

use guidestar::{
    models::Needed,
    session::Blueprint,
    weights::{Part, sd15},
};
use js_sys::{Array, Function, Object, Uint8Array, WebAssembly};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

use crate::page::{Page, number, set};

/// What the loading of a checkpoint of 2.1 GB may take.
const LIMIT_BYTES: u64 = 300_000_000;

/// Bytes of the piece that the weights repeat: f16 between 2^-7 and 2^-6, of either sign.
const PIECE_BYTES: usize = 8 << 20;

fn piece() -> JsValue {
    let mut state = 1_u32;
    let words = (0..PIECE_BYTES / 2).flat_map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) as u16 & 0x83ff | 0x2000).to_le_bytes()
    });
    let bytes: Vec<u8> = words.collect();
    let parts = Array::of1(&Uint8Array::from(&bytes[..]));
    blob(&parts)
}

fn blob(parts: &Array) -> JsValue {
    Function::new_with_args("parts", "return new Blob(parts)")
        .call1(&JsValue::NULL, parts)
        .expect("a browser has blobs")
}

/// A file of these parameters in f16, and its length. It is made of references to one piece: no memory holds it.
fn weights(needed: &[Needed], piece: &JsValue) -> (JsValue, usize) {
    let mut header = String::from("{");
    let mut end = 0;
    for (at, needed) in needed.iter().enumerate() {
        let start = end;
        end += 2 * needed.kind.elements();
        let comma = if at == 0 { "" } else { "," };
        let shape = needed.kind.stored();
        let entry = format!(
            r#"{comma}"{}":{{"dtype":"F16","shape":{shape:?},"data_offsets":[{start},{end}]}}"#,
            needed.name
        );
        header.write_str(&entry).expect("a string grows");
    }
    header.push('}');
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let mut head = (header.len() as u64).to_le_bytes().to_vec();
    head.extend_from_slice(header.as_bytes());
    let parts = Array::of1(&Uint8Array::from(&head[..]));
    for _ in 0..end.div_ceil(PIECE_BYTES) {
        parts.push(piece);
    }
    let length = head.len() + end;
    let cut = Function::new_with_args("blob, end", "return blob.slice(0, end)");
    let file = cut.call2(&JsValue::NULL, &blob(&parts), &length.into());
    (file.expect("a blob"), length)
}

fn wasm_bytes() -> u64 {
    let memory: WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    number(&memory.buffer(), "byteLength")
}

#[wasm_bindgen_test]
#[ignore = "takes minutes, and 4 GB for a GPU that the processor plays"]
async fn a_large_checkpoint_takes_little_memory_of_wasm() {
    let mut page = Page::open("f16").await;
    let blueprint = Blueprint::sd15();
    let needed = blueprint.needed().expect("the built-in settings fit");
    let piece = piece();
    let files = Array::new();
    let mut total = 0;
    let add = |path: &str, file: &JsValue| {
        let entry = Object::new();
        set(&entry, "path", &format!("large/{path}").into());
        set(&entry, "file", file);
        files.push(&entry);
    };
    for (part, path, needed) in [
        (Part::TextEncoder, "model", &needed.text_encoder),
        (Part::Unet, "diffusion_pytorch_model", &needed.unet),
        (Part::Vae, "diffusion_pytorch_model", &needed.autoencoder),
    ] {
        let (file, bytes) = weights(needed, &piece);
        total += bytes;
        let folder = part.folder();
        add(&format!("{folder}/{path}.safetensors"), &file);
        let config = sd15::config(part).to_string();
        let config = blob(&Array::of1(&config.into()));
        add(&format!("{folder}/config.json"), &config);
    }
    assert!(total > 2_000_000_000, "{total} bytes");
    page.ask_with(
        r#"{"type": "add-files", "store": false}"#,
        &[("files", &files)],
    );
    page.hear("added").await;
    let before = wasm_bytes();
    page.ask(r#"{"type": "load", "model": "large"}"#);
    let loaded = page.hear("loaded").await;
    // wasm's memory never shrinks: what it has now is the most it had.
    let after = wasm_bytes();
    console_log!(
        "{total} bytes of files, {} on the GPU; wasm had {before} bytes and has {after}",
        number(&loaded, "weight_bytes")
    );
    assert!(after < LIMIT_BYTES, "{after} bytes of wasm's memory");
}
