//! The time, from the browser.

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// Milliseconds since the page or the worker began.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn millis() -> f64;
}

/// Seconds since some moment; never runs backwards.
pub fn now_secs() -> f64 {
    millis() / 1000.0
}
