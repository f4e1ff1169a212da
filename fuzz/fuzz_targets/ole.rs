//! Any bytes read as an OLE compound file, with a header of their own and behind one that is right: no panic, an end, and
//! nothing behind an error.
#![no_main]

mod read;

use std::io::Cursor;

use mailscan_core::source::file::Pieces;

/// The mark, and the fields up to the places of the tables, of a file with sectors of 512 bytes.
const HEADER: &[u8] =
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x3e\0\x03\0\xfe\xff\x09\0\x06\0\0\0\0\0\0\0";

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    for file in [[&HEADER[..8], file].concat(), [HEADER, file].concat()] {
        let pieces = Pieces::from_reader(Cursor::new(file), "").expect("memory can be read");
        read::read(pieces);
    }
});
