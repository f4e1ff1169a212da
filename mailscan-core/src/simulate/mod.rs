//! A deterministic search API and web on loopback.
