//! Chance that is the same in every run.

/// Gives numbers without end (xorshift).
pub fn chance() -> impl FnMut() -> usize {
    let mut state = 1_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    }
}
