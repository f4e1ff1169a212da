//! Any bytes searched for hidden addresses, as HTML and as text: no panic, spans in bounds and in order, and nothing
//! lost that is written plainly.
#![no_main]

use mailscan_core::extract::{Media, addresses, deobfuscated};

libfuzzer_sys::fuzz_target!(|document: &[u8]| {
    for media in [Media::Html, Media::Text] {
        let (mut last, mut spans) = (0, Vec::new());
        deobfuscated(document, media, |finding| {
            assert!(last <= finding.span.start && finding.span.start < finding.span.end);
            last = finding.span.end;
            spans.push(finding.span);
        });
        assert!(last <= document.len());
        addresses(document, media, |plain| {
            let overlaps = |span: &std::ops::Range<usize>| span.start < plain.span.end && plain.span.start < span.end;
            assert!(spans.iter().any(overlaps), "{plain:?}");
        });
    }
});
