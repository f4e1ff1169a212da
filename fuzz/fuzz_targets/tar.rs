//! Any bytes read as a tar file: no panic, an end, and nothing behind an error. Blocks that begin with a letter are given the
//! checksum of a head, which chance does not find.
#![no_main]

mod read;

use std::io::Cursor;

use mailscan_core::source::file::Pieces;

const BLOCK: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 148..156;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut archive = [b"a", bytes].concat();
    for block in archive.chunks_exact_mut(BLOCK).filter(|block| block[0].is_ascii_alphabetic()) {
        block[CHECKSUM].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let pieces = Pieces::from_reader(Cursor::new(archive), "").expect("memory can be read");
    read::read(pieces);
});
