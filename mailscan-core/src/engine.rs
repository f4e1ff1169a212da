//! The engine: drives a pipeline until its jobs are finished.
