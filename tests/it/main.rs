//! The integration tests of mailscan, one binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop here")]

// Every contract line, on every backend; random operations against a naive model; old, newer and foreign databases.
mod backends;
// The page in a real browser: jobs from their form to their end, the keyboard, a phone, hostile text, a restart.
mod browser;
// The command line as a user meets it: output, errors, exit codes.
mod cli;
// Nodes of a cluster as processes, and what may happen to them and to their server.
mod cluster;
// A job killed at random points and resumed: nothing lost, nothing twice.
mod crash;
// Whole jobs through the engine over real sockets.
mod engine;
// The extractor on files: real pages, an independent expression.
mod extraction;
// The fetcher against servers that stall, lie, bomb and loop.
mod hostile;
// Who may import whom.
mod layering;
// A PostgreSQL server of the tests' own.
mod postgres;
// What is not installed is told of.
mod services;
// The server over real sockets: every answer, every refusal, and the command that starts it.
mod server;
