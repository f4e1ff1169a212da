//! Any bytes read as mail: no panic, spans in bounds, each given once, and the same in pieces as in one.
#![no_main]

use std::collections::HashSet;

use mailscan_core::Address;
use mailscan_core::extract::{Extractor, Finding, Media, addresses};

libfuzzer_sys::fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (lengths, document) = input;
    let mut whole = Vec::new();
    addresses(document, Media::Mail, |finding| whole.push(finding));
    let mut seen = HashSet::new();
    for Finding { address, span, .. } in &whole {
        assert!(span.start < span.end && span.end <= document.len(), "{span:?}");
        assert_eq!(Address::parse(address.as_str()).as_ref(), Some(address));
        assert!(seen.insert((address, span)), "{address} twice at {span:?}");
    }
    assert_eq!(whole, in_pieces(document, &lengths));
});

/// What is found when the document comes in pieces of these lengths, over and over, none of them empty.
fn in_pieces(document: &[u8], lengths: &[u8]) -> Vec<Finding> {
    let (mut extractor, mut found) = (Extractor::new(), Vec::new());
    let (mut offset, mut lengths) = (0, lengths.iter().chain(&[0]).cycle());
    while offset < document.len() {
        let length = lengths.next().map_or(1, |length| usize::from(*length) + 1);
        let piece = &document[offset..document.len().min(offset + length)];
        extractor.read(piece, offset, Media::Mail, |mention| found.push(mention.into_finding()));
        offset += piece.len();
    }
    extractor.end(|mention| found.push(mention.into_finding()));
    found
}
