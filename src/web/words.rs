//! Errors in the words of a page, which has no flags and counts no single bytes.

use std::{error::Error as _, iter};

use crate::error::Error;

/// What an error says, and what each of its causes says.
pub fn of(error: &Error) -> (String, Vec<String>) {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    (sentence(error), causes.map(ToString::to_string).collect())
}

/// What an error says.
pub fn sentence(error: &Error) -> String {
    match error {
        Error::Memory {
            what,
            needed_bytes,
            available_bytes,
            ..
        } => format!(
            "The GPU has no room: {what} needs {} of memory, and there is room for {}. Choose a smaller size or a smaller \
             model, or close other programs and tabs that use the GPU.",
            bytes(*needed_bytes),
            bytes(*available_bytes)
        ),
        Error::NotFinite(text) => text.replace("try --precision f32", "try another seed or size"),
        other => other
            .to_string()
            .replace(", or use --device cpu", "")
            .replace("--size", "size"),
    }
}

/// Bytes as a person counts them.
pub fn bytes(count: u64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let count_f64 = count as f64;
    match UNITS.into_iter().find(|(unit, _)| count_f64 >= *unit) {
        Some((unit, name)) if count_f64 / unit < 10.0 => format!("{:.1} {name}", count_f64 / unit),
        Some((unit, name)) => format!("{:.0} {name}", count_f64 / unit),
        None => format!("{count} bytes"),
    }
}
