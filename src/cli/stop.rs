//! Ctrl-C: stops at the next step; pressed again, at once.

use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::Exit;

static STOP: AtomicBool = AtomicBool::new(false);

/// Begins to listen. Without it Ctrl-C ends the program where it stands, which leaves nothing behind either.
pub fn listen() {
    let heard = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted.code().into());
        }
    });
    if let Err(error) = heard {
        log::debug!("Ctrl-C is not listened to: {error}");
    }
}

/// Whether the person asked to stop.
pub fn asked() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// Ends the program when the person asked to stop. For work that leaves nothing behind and cannot be broken off
/// otherwise: while weights are read, nothing has been made yet.
pub fn leave_if_asked() {
    if asked() {
        std::process::exit(Exit::Interrupted.code().into());
    }
}
