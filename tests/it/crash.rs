//! A job killed at random points and resumed.
