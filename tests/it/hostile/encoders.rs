//! Encodings for the tests of bodies: bombs that are made as a stream, and formats written by hand from their
//! specifications where no encoder is at hand.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn bare_deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Brotli (RFC 7932): one uncompressed meta-block and an empty last one.
pub(super) fn brotli(text: &[u8]) -> Vec<u8> {
    // A window of 16 bits, not the last block, a length of four nibbles, uncompressed.
    let length = u32::try_from(text.len() - 1).unwrap();
    assert!(length < 1 << 16);
    let mut bytes = ((length << 4) | (1 << 20)).to_le_bytes()[..3].to_vec();
    bytes.extend_from_slice(text);
    bytes.push(3);
    bytes
}

/// Zstandard (RFC 8878): a frame of blocks that each repeat one byte, with a window of 128 KiB.
pub(super) fn zstd_repeated(byte: u8, lengths: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
    for (index, length) in lengths.iter().enumerate() {
        let last = u32::from(index + 1 == lengths.len());
        bytes.extend_from_slice(&((length << 3) | (1 << 1) | last).to_le_bytes()[..3]);
        bytes.push(byte);
    }
    bytes
}

/// 1 GiB of zeros in about 1 MB.
pub(super) fn gzip_bomb() -> Vec<u8> {
    // Members repeat, so 16 MiB are deflated once: a file of many members is as valid as one.
    gzip(&vec![0; 16 << 20]).repeat(64)
}
