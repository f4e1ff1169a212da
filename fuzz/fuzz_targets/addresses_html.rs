//! Any bytes read as HTML.
#![no_main]

mod check;

libfuzzer_sys::fuzz_target!(|document: &[u8]| check::check(document, mailscan_core::extract::Media::Html));
