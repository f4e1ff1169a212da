//! The fetcher against servers that stall, lie, bomb and loop: real ones, over real loopback sockets.

mod bodies;
mod charsets;
mod connections;
mod encoders;
mod pace;
mod pause;
mod pdfs;
mod redirects;
mod robots;
mod search;
mod server;
mod silence;
mod sitemaps;
mod status;
mod tls;
mod windows;
