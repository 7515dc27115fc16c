//! Models that a page adds: stored in the browser, used from there, fetched in spite of a connection that breaks off.

use js_sys::{Array, Function, Uint8Array};
use safetensors::{Dtype, tensor::TensorView};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::Blob;

use crate::page::{Page, get, number, set, text};

/// Bytes of a large tensor in a small checkpoint.
const LARGE: usize = 300_000;

/// A file that has what a checkpoint in a single file is known by, and no model in it.
fn checkpoint() -> Vec<u8> {
    let numbers = vec![0_u8; LARGE];
    let names = [
        "model.diffusion_model.x",
        "first_stage_model.x",
        "cond_stage_model.transformer.text_model.x",
    ];
    let tensors = names.map(|name| {
        let view = TensorView::new(Dtype::F16, vec![LARGE / 2], &numbers).expect("two bytes each");
        (name, view)
    });
    safetensors::serialize(tensors, None).expect("a file in memory")
}

/// A file as a visitor chooses it, in a folder or alone.
fn file(path: &str, bytes: &[u8]) -> JsValue {
    let parts = Array::of1(&Uint8Array::from(bytes));
    let make = Function::new_with_args(
        "parts, name",
        "return new File(parts, name, { lastModified: 1 })",
    );
    let file = make
        .call2(&JsValue::NULL, &parts, &path.into())
        .expect("a browser has files");
    let entry = js_sys::Object::new();
    set(&entry, "path", &path.into());
    set(&entry, "file", &file);
    entry.into()
}

fn find(models: &JsValue, name: &str) -> Option<JsValue> {
    let models: Array = get(models, "models").unchecked_into();
    models.iter().find(|model| text(model, "name") == name)
}

async fn list(page: &mut Page) -> JsValue {
    page.ask(r#"{"type": "models", "id": 99}"#);
    loop {
        let models = page.hear("models").await;
        if get(&models, "id").as_f64() == Some(99.0) {
            return models;
        }
    }
}

async fn remove(page: &mut Page, name: &str) {
    if find(&list(page).await, name).is_some() {
        page.ask(&format!(r#"{{"type": "remove", "name": "{name}"}}"#));
        page.hear("models").await;
    }
}

/// The default model's files, as a folder that was chosen.
async fn folder() -> Array {
    let origin = text(&get(&js_sys::global(), "location"), "origin");
    let fetch: Function = get(&js_sys::global(), "fetch").unchecked_into();
    let files = Array::new();
    for (path, _) in guidestar::weights::mini::SIZES {
        let url = format!("{origin}/models/mini/{path}");
        let answer = fetch.call1(&JsValue::NULL, &url.into()).expect("a request");
        let answer = JsFuture::from(js_sys::Promise::resolve(&answer)).await;
        let answer: web_sys::Response = answer.expect("the runner serves it").unchecked_into();
        let blob = JsFuture::from(answer.blob().expect("a body"))
            .await
            .expect("a blob");
        let blob: Blob = blob.unchecked_into();
        let entry = js_sys::Object::new();
        set(&entry, "path", &format!("chosen/{path}").into());
        set(&entry, "file", &blob);
        files.push(&entry);
    }
    // Of no use, and to be left where it is.
    files.push(&file("chosen/safety_checker/model.safetensors", &[0; 100]));
    files
}

#[wasm_bindgen_test]
async fn a_folder_is_stored_loaded_and_removed() {
    let mut page = Page::open("auto").await;
    remove(&mut page, "chosen").await;
    let files = folder().await;
    page.ask_with(r#"{"type": "inspect"}"#, &[("files", &files)]);
    let inspected = page.hear("inspected").await;
    assert_eq!(text(&inspected, "name"), "chosen");
    assert!(get(&inspected, "problem").is_null() && get(&inspected, "store_problem").is_null());
    assert!(number(&inspected, "memory_bytes") > 1_000_000);
    page.ask_with(r#"{"type": "add-files", "id": 2}"#, &[("files", &files)]);
    let added = page.hear("added").await;
    assert_eq!(get(&added, "stored"), JsValue::TRUE);

    // Another visit: what it has, it has from the storage.
    let mut page = Page::open("auto").await;
    let stored = find(&list(&mut page).await, "chosen").expect("it was stored");
    assert_eq!(text(&stored, "place"), "stored");
    assert_eq!(number(&stored, "bytes"), number(&inspected, "store_bytes"));
    assert_eq!(number(&stored, "done_bytes"), number(&stored, "bytes"));
    page.ask(r#"{"type": "load", "model": "chosen"}"#);
    let loaded = page.hear("loaded").await;
    assert_eq!(text(&get(&loaded, "traits"), "size"), "128x128");
    remove(&mut page, "chosen").await;
    assert!(find(&list(&mut page).await, "chosen").is_none());
}

#[wasm_bindgen_test]
async fn what_is_no_checkpoint_is_refused_by_name() {
    let mut page = Page::open("auto").await;
    let whole = checkpoint();
    for (name, bytes, expected) in [
        (
            "page.safetensors",
            &b"<!DOCTYPE html><html></html>"[..],
            "web page",
        ),
        ("short.safetensors", &whole[..whole.len() / 2], "cut short"),
        ("model.ckpt", &b"PK\x03\x04aaaaaaaaaaaa"[..], "pickle"),
    ] {
        let files = Array::of1(&file(name, bytes));
        page.ask_with(r#"{"type": "add-files"}"#, &[("files", &files)]);
        let failed = page.hear("failed").await;
        assert!(text(&failed, "message").contains(expected), "{failed:?}");
        assert!(find(&list(&mut page).await, name).is_none());
    }
}

/// Puts a server in place of the network: it sends parts of one file, and breaks off after `limits` bytes, one limit for each
/// answer with an open end.
fn serve(bytes: &[u8], limits: &[u32]) {
    let body = "
        const whole = bytes.slice();
        self.fetch = async (request) => {
            self.asked = (self.asked || []).concat(request.headers.get('Range'));
            const range = /bytes=(\\d+)-(\\d*)/.exec(request.headers.get('Range') ?? 'bytes=0-');
            const start = Number(range[1]);
            const end = range[2] === '' ? whole.length : Number(range[2]) + 1;
            const limit = range[2] === '' && start !== 1 ? limits.shift() ?? Infinity : Infinity;
            const part = whole.slice(start, Math.min(end, start + limit));
            const isCut = start + part.length < end;
            let sent = false;
            const body = new ReadableStream({
                pull(controller) {
                    if (!sent && part.length > 0) {
                        sent = true;
                        controller.enqueue(part);
                    } else if (isCut) {
                        controller.error(new TypeError('network error'));
                    } else {
                        controller.close();
                    }
                },
            });
            const headers = { 'Content-Length': end - start, ETag: 'one' };
            return new Response(body, { status: 206, headers });
        };
    ";
    let limits: Array = limits.iter().map(|&limit| JsValue::from(limit)).collect();
    Function::new_with_args("bytes, limits", body)
        .call2(&JsValue::NULL, &Uint8Array::from(bytes), &limits)
        .expect("a worker lets its fetch be replaced");
}

/// Puts the network back.
struct Network(JsValue);

impl Network {
    fn keep() -> Self {
        Self(get(&js_sys::global(), "fetch"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        set(&js_sys::global(), "fetch", &self.0);
    }
}

const URL: &str = "https://models.example/some%20model.safetensors?token=x";

fn add_url(sha256: &str) -> String {
    format!(r#"{{"type": "add-url", "id": 5, "url": "{URL}", "sha256": "{sha256}"}}"#)
}

#[wasm_bindgen_test]
async fn a_download_goes_on_where_it_was_cut() {
    use sha2::{Digest, Sha256};
    let _network = Network::keep();
    let name = "some model.safetensors";
    let mut page = Page::new();
    remove(&mut page, name).await;
    let whole = checkpoint();
    let sum = format!("{:x}", Sha256::digest(&whole));

    // Cut twice, then gone for good: what came is kept.
    serve(&whole, &[200_000, 300_000, 0, 0, 0, 0, 0]);
    page.ask(&add_url(&sum));
    let failed = page.hear("failed").await;
    assert!(
        text(&failed, "message").contains("goes on from there"),
        "{failed:?}"
    );
    let partial = find(&list(&mut page).await, name).expect("a part is there");
    assert_eq!(text(&partial, "place"), "partial");

    // The next visit sees the part, and goes on with it.
    let mut page = Page::new();
    let partial = find(&list(&mut page).await, name).expect("a part is there");
    assert_eq!(text(&partial, "place"), "partial");
    assert_eq!(number(&partial, "done_bytes"), 500_000);
    assert_eq!(text(&partial, "url"), URL);
    set(&js_sys::global(), "asked", &JsValue::UNDEFINED);
    serve(&whole, &[]);
    page.ask(&add_url(&sum));
    let added = page.hear("added").await;
    assert_eq!(get(&added, "stored"), JsValue::TRUE);
    let asked: Array = get(&js_sys::global(), "asked").unchecked_into();
    assert!(asked.includes(&"bytes=500000-".into(), 0), "{asked:?}");
    assert!(!asked.includes(&"bytes=0-".into(), 0), "{asked:?}");
    let models = list(&mut page).await;
    let stored = find(&models, name).expect("it was stored");
    assert_eq!(text(&stored, "place"), "stored");
    assert_eq!(number(&stored, "done_bytes"), whole.len() as u64);
    assert!(number(&get(&models, "storage"), "quota_bytes") > 0);
    remove(&mut page, name).await;
}

#[wasm_bindgen_test]
async fn what_has_another_sum_is_thrown_away() {
    let _network = Network::keep();
    let name = "some model.safetensors";
    let mut page = Page::new();
    remove(&mut page, name).await;
    serve(&checkpoint(), &[]);
    page.ask(&add_url(&"0".repeat(64)));
    let failed = page.hear("failed").await;
    assert!(text(&failed, "message").contains("SHA-256"), "{failed:?}");
    let mut page = Page::new();
    assert!(find(&list(&mut page).await, name).is_none());
}

#[wasm_bindgen_test]
async fn two_tabs_do_not_write_the_same_model() {
    let name = "both.safetensors";
    let mut page = Page::new();
    remove(&mut page, name).await;
    let hold = Function::new_with_args(
        "name",
        "return new Promise((held) => {
            navigator.locks.request(name, () => new Promise((release) => held(release)));
        })",
    );
    let lock = format!("guidestar/models/{name}");
    let held = hold.call1(&JsValue::NULL, &lock.into()).expect("locks");
    let release = JsFuture::from(js_sys::Promise::resolve(&held))
        .await
        .expect("a lock");
    let files = Array::of1(&file(name, &checkpoint()));
    page.ask_with(r#"{"type": "add-files"}"#, &[("files", &files)]);
    let failed = page.hear("failed").await;
    assert!(
        text(&failed, "message").contains("another tab"),
        "{failed:?}"
    );
    // It can still be used in this visit.
    let found = find(&list(&mut page).await, name).expect("it was given");
    assert_eq!(text(&found, "place"), "visit");

    release
        .unchecked_into::<Function>()
        .call0(&JsValue::NULL)
        .expect("a release");
    page.ask_with(r#"{"type": "add-files"}"#, &[("files", &files)]);
    page.hear("added").await;
    assert_eq!(
        text(
            &find(&list(&mut page).await, name).expect("stored"),
            "place"
        ),
        "stored"
    );
    remove(&mut page, name).await;
}
