//! The backend in memory: for tests, for embedding, and as the naive reference.
