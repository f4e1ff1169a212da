//! Any bytes read as RTF, and as RTF that was HTML: no panic, an end, and nothing behind an error.
#![no_main]

mod read;

use std::io::Cursor;

use mailscan_core::source::file::Pieces;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    for begun in [&b"{\\rtf1"[..], b"{\\rtf1\\ansi\\fromhtml1 "] {
        let file = [begun, text].concat();
        read::read(Pieces::from_reader(Cursor::new(file), "").expect("memory can be read"));
    }
});
