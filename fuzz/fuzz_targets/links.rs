//! The links of any bytes: absolute, on the web, bounded, and those that the slow reference finds.
#![no_main]

use mailscan_core::extract::{MAX_LINK_LENGTH, MAX_LINKS, links, links_oracle};

libfuzzer_sys::fuzz_target!(|document: &[u8]| {
    let base = url::Url::parse("https://example.org/dir/page").expect("a URL");
    let mut found = Vec::new();
    links(document, &base, |link| {
        assert!(matches!(link.scheme(), "http" | "https") && link.has_host());
        assert!(link.fragment().is_none() && link.as_str().len() <= MAX_LINK_LENGTH);
        assert_eq!(url::Url::parse(link.as_str()).as_ref(), Ok(&link));
        found.push(link);
    });
    assert!(found.len() <= MAX_LINKS);
    assert_eq!(found, links_oracle(document, &base));
});
