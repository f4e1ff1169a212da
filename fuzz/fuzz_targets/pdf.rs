//! Any bytes read as a PDF: no panic, an end, and nothing behind an error.
#![no_main]

mod read;

use std::io::Cursor;

use mailscan_core::source::file::Pieces;

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let file = [b"%PDF-1.7\n", file].concat();
    let pieces = Pieces::from_reader(Cursor::new(file), "").expect("memory can be read");
    read::read(pieces);
});
