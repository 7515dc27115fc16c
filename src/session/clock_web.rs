//! The time, from the browser.

/// Seconds since some moment.
pub fn now_secs() -> f64 {
    js_sys::Date::now() / 1000.0
}
