//! The contracts as a test suite: one case per line of behaviour, for every backend.
