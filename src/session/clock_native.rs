//! The time, from the operating system.

use std::{sync::LazyLock, time::Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Seconds since some moment; never runs backwards.
pub fn now_secs() -> f64 {
    START.elapsed().as_secs_f64()
}
