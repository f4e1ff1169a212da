//! Any bytes read as a PDF: no panic, an end, and nothing behind an error.
#![no_main]

use std::io::Cursor;

use mailscan_core::source::file::Pieces;

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let file = [b"%PDF-1.7\n", file].concat();
    let mut pieces = Pieces::from_reader(Cursor::new(file), "").expect("memory can be read");
    let mut failed = false;
    while let Some(piece) = pieces.next() {
        assert!(!failed, "an error is the last");
        failed = piece.is_err();
    }
});
