//! `mailscan serve` as a process of its own, which can be stopped, killed and started anew.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr};

use crate::cli::{interrupt, signal, start_in};

/// A server, killed when it is dropped.
pub(super) struct Served {
    child: Child,
    _err: BufReader<ChildStderr>,
    encrypted: bool,
    pub(super) address: SocketAddr,
}

impl Served {
    /// Starts it over `mailscan.db` in a folder.
    pub(super) fn start(folder: &Path, listen: &str, arguments: &[&str]) -> Self {
        let common = ["serve", "--listen", listen, "--allow-network", "127.0.0.0/8"];
        let (child, mut err) = start_in(folder, &[&common[..], arguments].concat());
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        let address = line.split("://").nth(1).and_then(|rest| rest.split(['/', ' ']).next()?.trim().parse().ok());
        let encrypted = line.contains("https://");
        Self { child, _err: err, encrypted, address: address.unwrap_or_else(|| panic!("{line}")) }
    }

    /// How a browser names it.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Has it hang: its connections stay open, and nothing is answered until it goes on.
    pub(super) fn hang(&self) {
        signal(&self.child, "-STOP");
    }

    pub(super) fn go_on(&self) {
        signal(&self.child, "-CONT");
    }

    /// Stops it as Ctrl-C does, and waits for its end.
    pub(super) fn stop(mut self) {
        interrupt(&self.child);
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
