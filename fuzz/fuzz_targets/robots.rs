//! Any bytes read as a robots.txt, whole and as the beginning of one, and any path asked of it: no panic, bounds that hold,
//! and the file itself allowed.
#![no_main]

use std::time::Duration;

use mailscan_core::source::fuzzing::{Robots, robots};

libfuzzer_sys::fuzz_target!(|input: (&str, &[u8])| {
    let (path, file) = input;
    let site = url::Url::parse("https://example.org/").expect("a URL");
    let Ok(page) = site.join(path) else { return };
    for is_whole in [true, false] {
        let Robots { delay, sitemaps, .. } = robots(file, is_whole, &page);
        assert!(delay.is_none_or(|delay| !delay.is_zero() && delay <= Duration::from_secs(60)), "{delay:?}");
        assert!(sitemaps <= 1_000);
        assert!(robots(file, is_whole, &site.join("/robots.txt").expect("a URL")).allows);
    }
});
