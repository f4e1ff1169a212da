//! Integration tests of mailscan live in `it/`; this crate has no code of its own.
