//! The links of any bytes: absolute, on the web, bounded.
#![no_main]

use mailscan_core::extract::{MAX_LINK_LENGTH, MAX_LINKS, links};

libfuzzer_sys::fuzz_target!(|document: &[u8]| {
    let base = url::Url::parse("https://example.org/dir/page").expect("a URL");
    let mut count = 0;
    links(document, &base, |link| {
        count += 1;
        assert!(matches!(link.scheme(), "http" | "https") && link.has_host());
        assert!(link.fragment().is_none() && link.as_str().len() <= MAX_LINK_LENGTH);
        assert_eq!(url::Url::parse(link.as_str()).as_ref(), Ok(&link));
    });
    assert!(count <= MAX_LINKS);
});
