//! The fetcher against servers that stall, lie, bomb and loop: real ones, over real loopback sockets.

mod bodies;
mod charsets;
mod encoders;
mod redirects;
mod server;
mod silence;
