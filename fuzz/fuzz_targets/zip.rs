//! Any bytes read as a zip file: no panic, an end, and nothing behind an error.
#![no_main]

mod read;

use std::fs::File;
use std::io::{Seek, Write};

use mailscan_core::source::file::Pieces;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file: File = tempfile::tempfile().expect("a temporary file");
    file.write_all(b"PK\x03\x04").and_then(|()| file.write_all(bytes)).expect("room for it");
    file.rewind().expect("a file");
    let Ok(pieces) = Pieces::of_file(file, "", Vec::new()) else { return };
    read::read(pieces);
});
