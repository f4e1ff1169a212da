//! Every contract line, on every backend.
