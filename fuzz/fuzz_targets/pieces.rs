//! Any bytes read as a file of any kind, told by how it begins and by its name: no panic, an end, and nothing behind an
//! error.
#![no_main]

mod read;

use std::io::Cursor;

use mailscan_core::source::file::Pieces;

const NAMES: [&str; 5] = ["", "a.eml", "a.html", "a.rtf", "a.gz"];

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (name, file) = input;
    let name = NAMES[usize::from(name) % NAMES.len()];
    read::read(Pieces::from_reader(Cursor::new(file.to_vec()), name).expect("memory can be read"));
});
