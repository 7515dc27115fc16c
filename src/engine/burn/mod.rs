//! The eager engine: burn's tensors, on a CPU by default.
