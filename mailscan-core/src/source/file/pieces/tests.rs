//! Texts that are cut into pieces, and joined again.

use std::io::{Cursor, Error};

use super::*;
use crate::extract::addresses;

fn pieces(text: &[u8]) -> Vec<Piece> {
    Pieces::from_reader(Cursor::new(text.to_vec()), "").unwrap().map(Result::unwrap).collect()
}

#[test]
fn pieces_are_the_text_and_follow_each_other() {
    let text = b"some words and ann@a.org\n".repeat(200_000);
    let pieces = pieces(&text);
    assert!(pieces.len() > 3);
    let mut whole = Vec::new();
    for piece in &pieces {
        assert_eq!(piece.offset, whole.len() as u64);
        assert!(piece.bytes.len() <= PIECE && piece.bytes.ends_with(b"\n") || piece.bytes.ends_with(b" "));
        whole.extend_from_slice(&piece.bytes);
    }
    assert!(whole == text);
}

#[test]
fn views_are_the_pieces_and_their_memory_serves_the_next_file() {
    let texts = ["word ann@a.org\n".repeat(200_000), "short".to_owned(), String::new(), "ann@a.org,".repeat(300_000)];
    let mut memory = Vec::new();
    for text in texts {
        let text = text.into_bytes();
        let mut views = Pieces::in_memory(Cursor::new(text.clone()), "", memory).unwrap();
        for piece in pieces(&text) {
            let view = views.next_view().unwrap().unwrap();
            assert_eq!((view.offset, view.media), (piece.offset, piece.media));
            assert!(view.bytes == piece.bytes);
        }
        assert!(views.next_view().unwrap().is_none());
        memory = views.into_memory();
        assert!(memory.len() <= PIECE + 64);
    }
}

#[test]
fn without_white_space_a_sign_parts_them() {
    for unit in ["<b>ann@a.org</b>", "ann@a.org,", "\"ann@a.org\",", "ann@a.org;"] {
        let text = unit.repeat(200_000);
        let pieces = pieces(text.as_bytes());
        assert!(pieces.len() > 1);
        let mut count = 0;
        for piece in &pieces {
            addresses(&piece.bytes, piece.media, |finding| {
                assert_eq!(finding.address.as_str(), "ann@a.org");
                count += 1;
            });
        }
        assert_eq!(count, 200_000, "{unit}");
    }
}

#[test]
fn no_hidden_address_is_cut_for_who_looks_for_them() {
    let text = "ann [at] a [dot] org, ".repeat(55_000);
    let mut extractor = Extractor::deobfuscating();
    let pieces = Pieces::from_reader(Cursor::new(text.into_bytes()), "").unwrap().searched_by(&extractor);
    let (mut cuts, mut found) = (0, 0);
    for piece in pieces {
        let Piece { offset, bytes, media, .. } = piece.unwrap();
        cuts += usize::from(offset > 0);
        extractor.read(&bytes, offset as usize, media, |_| found += 1);
    }
    extractor.end(|_| found += 1);
    assert_eq!((cuts, found), (1, 55_000));
}

/// Gives a text in parts, with a pause behind each.
struct Pausing {
    text: Cursor<Vec<u8>>,
    part: usize,
    pauses: bool,
}

impl Read for Pausing {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.pauses = !self.pauses;
        if !self.pauses {
            return Err(Pause.into());
        }
        let most = buffer.len().min(self.part);
        self.text.read(&mut buffer[..most])
    }
}

#[test]
fn what_is_there_at_a_pause_is_given_and_nothing_is_cut_by_it() {
    let found = |reader: Pausing| {
        let (mut found, mut first) = (Vec::new(), None);
        for piece in Pieces::from_reader(reader, "").unwrap().map(Result::unwrap) {
            first.get_or_insert(piece.bytes.len());
            addresses(&piece.bytes, piece.media, |finding| found.push(finding.address.to_string()));
        }
        (found, first.unwrap())
    };
    let lines: String = (0..20_000).map(|n| format!("user{n}@host.org and words\n")).collect();
    // In the second there is no border for longer than what a pause is heeded behind.
    let joined = format!("{}{}@host.org {lines}", "words ".repeat(100), "a".repeat(40_000));
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, lines.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    for (text, is_given) in [(lines.into_bytes(), true), (joined.into_bytes(), false), (gzip, false)] {
        let of = |part| found(Pausing { text: Cursor::new(text.clone()), part, pauses: false });
        let (whole, _) = of(usize::MAX);
        for part in [1_000, 5_000, 70_000] {
            let (parts, first) = of(part);
            assert!(parts == whole && parts.len() >= 20_000, "{part}: {} of {}", parts.len(), whole.len());
            assert!(!is_given || first < 100_000, "{part}: {first}");
        }
    }
}

#[test]
fn a_text_without_any_border_ends() {
    let text = vec![b'a'; 3 * PIECE + 7];
    assert_eq!(pieces(&text).iter().map(|piece| piece.bytes.len()).sum::<usize>(), text.len());
    assert_eq!(pieces(b""), []);
}

#[test]
fn what_came_before_an_error_is_given_first() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> Result<usize> {
            Err(Error::other("broken"))
        }
    }
    let mut pieces = Pieces::from_reader(Cursor::new(b"some text").chain(Fails), "").unwrap();
    assert_eq!(pieces.next().unwrap().unwrap().bytes, b"some text");
    assert_eq!(pieces.next().unwrap().unwrap_err().to_string(), "broken");
    assert!(pieces.next().is_none());
}

#[test]
fn media_by_name_and_by_content() {
    let media = |name: &str, text: &str| {
        let pieces = Pieces::from_reader(Cursor::new(text.as_bytes().to_vec()), name).unwrap();
        pieces.map(|piece| piece.unwrap().media).next().unwrap()
    };
    assert_eq!(media("a.HTML", "x"), Media::Html);
    assert_eq!(media("a.xml.gz", "x"), Media::Html);
    assert_eq!(media("a.txt", "\u{feff} <!DOCTYPE html>"), Media::Html);
    assert_eq!(media("page", "<HTML lang=de>"), Media::Html);
    assert_eq!(media("html", "text"), Media::Text);
}
