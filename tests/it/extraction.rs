//! The extractor on files.
