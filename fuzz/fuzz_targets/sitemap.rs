//! Any bytes read as a sitemap, of lines, of XML and compressed: no panic, and URLs of the web that are bounded and read back.
#![no_main]

use mailscan_core::source::fuzzing::sitemap;

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let base = url::Url::parse("https://example.org/maps/1.xml").expect("a URL");
    for begun in [&b""[..], b"<urlset><url><loc>", b"<sitemapindex><sitemap><loc>"] {
        let urls = sitemap(&[begun, file].concat(), &base);
        assert!(urls.len() <= 50_000);
        for url in urls {
            assert!(matches!(url.scheme(), "http" | "https") && url.has_host() && url.as_str().len() <= 2_047);
            assert_eq!(url::Url::parse(url.as_str()).as_ref(), Ok(&url));
        }
    }
});
