//! Feeds anything at all to the safetensors reader: `cargo +nightly fuzz run header`.
//!
//! A corpus that starts with a few small valid files, one for each storage, reaches more than twice as much of the reader.
//! What it finds becomes a case in `tests/header.rs`, which runs everywhere.
#![no_main]

use guidestar::weights::{
    Memory, header::Header, numbers::is_readable, recognise::Content, tensors::Tensors,
};
use libfuzzer_sys::fuzz_target;
use std::rc::Rc;

fuzz_target!(|bytes: &[u8]| {
    let source = Rc::new(Memory::new("fuzz", bytes.to_vec()));
    let Ok(header) = pollster::block_on(Header::read(&*source)) else {
        return;
    };
    let end = header.entries.last().map_or(0, |entry| entry.bytes.end);
    assert!(end <= bytes.len() as u64);
    let _ = Content::of(&header);
    let mut tensors = Tensors::default();
    let Ok(()) = tensors.add(source, &header, |name| Some(name.to_owned())) else {
        return;
    };
    let mut reader = tensors.reader();
    for stored in tensors.stored() {
        let mut numbers = 0;
        let mut take = |piece: &[f32]| {
            numbers += piece.len();
            Ok(())
        };
        if pollster::block_on(reader.read(stored, &mut take)).is_ok() {
            assert!(is_readable(stored.entry.dtype));
            assert_eq!(numbers, stored.entry.elements());
        }
    }
});
