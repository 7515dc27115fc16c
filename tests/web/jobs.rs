//! Jobs of the default model through the worker's messages.

use safetensors::SafeTensors;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::{
    page::{Page, bytes, get, json, number, text},
    support::{Host, assert_close},
};

const JOB: &str = include_str!("../fixtures/mini_job.json");
const LATENTS: &[u8] = include_bytes!("../fixtures/mini_job.safetensors");

/// After a few steps in f32.
const LIMIT: f64 = 1e-5;

/// The fixture's job with other fields.
fn start(fields: &str) -> String {
    let job = JOB.trim().trim_end_matches('}');
    format!(r#"{{"type": "start", "id": 1, "job": {job}{fields}}}}}"#)
}

fn floats(bytes: &[u8]) -> Host {
    let (words, _) = bytes.as_chunks();
    let floats = words.iter().copied().map(f32::from_le_bytes);
    Host {
        shape: [words.len()].into(),
        data: floats.map(f64::from).collect(),
    }
}

fn assert_native(latents: &[u8]) {
    let file = SafeTensors::deserialize(LATENTS).expect("a fixture is a safetensors file");
    let wanted = file.tensor("latents").expect("it is in the fixture");
    assert_close(
        &floats(latents),
        &floats(wanted.data()),
        LIMIT,
        "a job's latents",
    );
}

#[wasm_bindgen_test]
async fn a_picture_is_the_native_one_and_remembers_its_job() {
    let mut page = Page::open("f32").await;
    page.ask(r#"{"type": "load", "id": 3, "model": "mini"}"#);
    let loaded = page.hear("loaded").await;
    assert_eq!(number(&loaded, "id"), 3);
    assert!(number(&loaded, "weight_bytes") > 1_000_000);
    page.ask(&start(""));
    let preview = page.hear("preview").await;
    assert_eq!(
        (number(&preview, "step"), number(&preview, "width")),
        (1, 64)
    );
    assert_eq!(bytes(&preview, "rgba").len(), 64 * 64 * 4);
    let picture = page.hear("picture").await;
    assert_native(&bytes(&picture, "latents"));
    assert_eq!(bytes(&picture, "rgba").len(), 64 * 64 * 4);
    assert_eq!(number(&page.hear_event("done").await, "pictures"), 1);

    page.ask_with(
        r#"{"type": "read-png", "id": 4}"#,
        &[("bytes", &get(&picture, "png"))],
    );
    let remembered = page.hear("job").await;
    assert_eq!(json(&get(&remembered, "job")), json(&get(&picture, "job")));
    assert!(text(&remembered, "parameters").contains("Seed: 7"));
}

#[wasm_bindgen_test]
async fn a_lost_gpu_is_opened_anew_and_the_job_goes_on() {
    let mut page = Page::open("f32").await;
    // The second picture is the fixture's.
    page.ask(&start(r#", "count": 2, "seed": 6"#).replacen(r#", "seed": 7"#, "", 1));
    page.hear("picture").await;
    page.ask(r#"{"type": "lose"}"#);
    assert!(!text(&page.hear("lost").await, "message").is_empty());
    let picture = page.hear("picture").await;
    assert_eq!(number(&picture, "picture"), 1);
    assert_native(&bytes(&picture, "latents"));
    page.hear_event("done").await;
    assert_eq!(page.count("picture"), 2);
}

#[wasm_bindgen_test]
async fn stop_ends_a_job_within_a_step_and_keeps_its_preview() {
    let mut page = Page::open("auto").await;
    page.ask(&start(r#", "count": 5"#));
    page.ask(&start(r#", "count": 9"#));
    page.hear_event("step").await;
    page.ask(r#"{"type": "stop"}"#);
    let mut stopped = vec![
        number(&page.hear_event("stopped").await, "of"),
        number(&page.hear_event("stopped").await, "of"),
    ];
    stopped.sort_unstable();
    assert_eq!(stopped, [5, 9]);
    assert!(page.count("preview") >= 1);
    assert_eq!(page.count("picture"), 0);
    // The worker is ready for more.
    page.ask(
        &start(r#", "seed": 18446744073709551615"#)
            .replacen(r#", "seed": 7"#, "", 1)
            .replace("18446744073709551615", r#""18446744073709551615""#),
    );
    assert_eq!(
        text(&page.hear("picture").await, "seed"),
        "18446744073709551615"
    );
}

#[wasm_bindgen_test]
async fn what_cannot_be_done_is_refused_in_words() {
    let mut page = Page::new();
    page.ask(r#"{"type": "load", "id": 1, "model": "mini"}"#);
    assert!(text(&page.hear("failed").await, "message").contains("not open"));
    page.ask(r#"{"type": "dance", "id": 2}"#);
    let failed = page.hear("failed").await;
    assert_eq!(number(&failed, "id"), 2);
    page.ask(r#"{"type": "open", "precision": "f32"}"#);
    page.hear("opened").await;
    page.ask(r#"{"type": "needs", "id": 5, "job": {"size": "100x64"}}"#);
    let failed = page.hear("failed").await;
    assert!(text(&failed, "message").contains("104x64"), "{failed:?}");
    page.ask(r#"{"type": "needs", "id": 6, "job": {"size": "64x64"}}"#);
    let needs = page.hear("needs").await;
    let total = number(&needs, "weight_bytes") + number(&needs, "intermediate_bytes");
    assert_eq!(number(&needs, "total_bytes"), total);
    page.ask(r#"{"type": "start", "id": 7, "job": {"model": "nothing"}}"#);
    let event = get(&page.hear("event").await, "event");
    assert!(
        text(&event, "message").contains("no model \"nothing\""),
        "{event:?}"
    );
}
