//! What the tests of operations share: numbers on the host, plain references, devices to judge and the yardstick.

mod call;
mod host;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;
mod reference;

pub use call::call;
pub use host::{Draw, Generator, Host};
pub use reference::reference;

/// Greatest normalised error of an operation whose numbers are stored in f32.
pub const F32_LIMIT: f64 = 1e-11;

/// The same on a GPU, whose functions may be off by a few units in the last place.
pub const GPU_F32_LIMIT: f64 = 1e-9;

/// Greatest normalised error of an operation whose numbers are stored in f16.
pub const F16_LIMIT: f64 = 1e-6;

/// Asserts that `found` is `wanted` but for rounding: `sum (a - b)^2 <= limit * sum b^2`.
///
/// # Panics
/// When it is not, naming the worst element.
pub fn assert_close(found: &Host, wanted: &Host, limit: f64, what: &str) {
    assert_eq!(found.shape, wanted.shape, "the shapes differ: {what}");
    let strange = found.data.iter().position(|x| !x.is_finite());
    assert_eq!(strange, None, "element {strange:?} is no number: {what}");
    let mut worst = (0, 0.0);
    let [mut error, mut size] = [0.0, 0.0];
    for (index, (a, b)) in found.data.iter().zip(&wanted.data).enumerate() {
        let difference = (a - b).abs();
        if difference > worst.1 {
            worst = (index, difference);
        }
        error += difference * difference;
        size += b * b;
    }
    let index = worst.0;
    assert!(
        error <= limit * size,
        "error {:.2e} where {limit:.0e} is allowed, worst at {index}: {} for {}: {what}",
        error / size,
        found.data[index],
        wanted.data[index],
    );
}
