//! Any bytes read as a web archive: no panic, an end, and nothing behind an error.
#![no_main]

mod read;

use std::io::Cursor;

use mailscan_core::source::file::Pieces;

libfuzzer_sys::fuzz_target!(|archive: &[u8]| {
    let archive = [b"WARC/1.0\r\n", archive].concat();
    let pieces = Pieces::from_reader(Cursor::new(archive), "").expect("memory can be read");
    read::read(pieces);
});
