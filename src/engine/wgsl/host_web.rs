//! What the machine around the device says, in a browser: the time.

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// Milliseconds since the page or the worker began.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn millis() -> f64;
}

/// Seconds since the page or the worker began.
pub fn secs() -> f64 {
    millis() / 1000.0
}

/// A browser does not tell how much memory is free.
pub fn free_bytes() -> Option<u64> {
    None
}
