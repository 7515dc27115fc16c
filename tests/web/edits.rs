//! Edits through the worker's messages: what is found for a source outlives the visit.

use js_sys::Uint8Array;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::page::{Page, get, number, text};

const APPLE: &[u8] = include_bytes!("../../www/page/pictures/apple.png");

/// A page that holds the picture, and the sum it is known by.
async fn visit() -> (Page, String) {
    let mut page = Page::open("auto").await;
    let bytes = Uint8Array::from(APPLE).buffer();
    page.ask_with(r#"{"type": "hold", "id": 1}"#, &[("bytes", &bytes)]);
    let sum = text(&page.hear("held").await, "sha256");
    (page, sum)
}

/// Edits the picture in one step.
fn edit(page: &Page, sum: &str) {
    page.ask(&format!(
        r#"{{"type": "start", "id": 2, "job": {{"prompt": "a lemon", "size": "64x64", "steps": 1, "edit":
            {{"source": {{"from": "picture", "path": "apple.png", "sha256": "{sum}"}}, "inversion_steps": 1}}}}}}"#
    ));
}

/// Sources that are stored, and what they take.
async fn traces(page: &mut Page, question: &str) -> (u64, u64) {
    page.ask(&format!(r#"{{"type": "{question}", "id": 9}}"#));
    loop {
        let models = page.hear("models").await;
        if get(&models, "id").as_f64() == Some(9.0) {
            let traces = get(&models, "traces");
            return (number(&traces, "count"), number(&traces, "bytes"));
        }
    }
}

#[wasm_bindgen_test]
async fn a_second_visit_edits_a_picture_at_once_until_its_latents_are_forgotten() {
    let (mut page, sum) = visit().await;
    assert_eq!(traces(&mut page, "forget-traces").await, (0, 0));
    edit(&page, &sum);
    page.hear_event("trace").await;
    page.hear("picture").await;
    let (count, bytes) = traces(&mut page, "models").await;
    // Two levels and the reconstruction, four floats at each of 8 x 8 places, and what is said of them.
    assert!(count == 1 && (3072..6000).contains(&bytes), "{bytes} bytes");

    let (mut page, sum) = visit().await;
    edit(&page, &sum);
    loop {
        let said = page.next().await;
        let kind = text(&said, "type");
        assert_ne!(kind, "failed");
        if kind == "event" {
            let event = text(&get(&said, "event"), "event");
            assert!(event != "trace" && event != "failed", "{event}");
        }
        if kind == "picture" {
            break;
        }
    }
    assert_eq!(traces(&mut page, "forget-traces").await, (0, 0));
}
