//! Where a browser has weights: files the visitor chose, the site's own storage, an address.

mod blob;
mod http;
mod interruptible;

pub use blob::{BlobFile, BlobFiles, text};
pub use http::{HttpFile, failed, get, probe, stream, whole};
pub use interruptible::{Interruptible, InterruptibleFiles};
