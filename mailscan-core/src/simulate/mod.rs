//! A deterministic search API and web on loopback, with a known set of addresses in it.
//!
//! Demos, tests and benchmarks start a [`SimulatedWeb`], let mailscan loose on it over real sockets, and compare what
//! was stored with [`SimulatedWeb::addresses`]. Everything it serves is a pure function of the seed and of a number,
//! so it needs no memory per page and two runs serve the same bytes. What it does not do: look like any real site, or
//! judge what was found.
//!
//! What it serves:
//!
//! | path | answer |
//! | --- | --- |
//! | `/search?q=...&pageno=N` (or `page=N`) | results of call N as SearXNG writes them; none after the last call |
//! | `/p/{n}` | page n, with its share of the addresses |
//! | `/site/`, `/site/{n}` | the same pages as a tree of links below `/site/` |
//! | `/robots.txt` | everything is allowed, and the sitemap is named |
//! | `/sitemap.xml`, `/sitemaps/{k}.xml` | an index, and sitemaps of a thousand pages each |

mod address;
mod layout;
mod page;
mod server;
mod sitemap;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::address::Address;
use layout::Layout;
use server::Server;

/// What the simulated web holds and how it behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulationOptions {
    /// What all content is derived from.
    pub seed: u64,
    /// How many different addresses there are.
    pub emails: u64,
    /// How many addresses one search call leads to. From 1.
    pub emails_per_call: u32,
    /// How many pages one search call lists; its addresses are spread over them. With 0 its answer holds them itself.
    pub pages_per_call: u32,
    /// How long a search call takes to be answered.
    pub call_delay: Duration,
    /// How long a page takes to be answered.
    pub page_delay: Duration,
    /// How many requests at a time it bears; none for any number. The delays of more grow with the square of the excess:
    /// it answers the fewer a second the more it is asked.
    pub bears: Option<usize>,
    /// The median size of a page.
    pub page_bytes: usize,
    /// The share of mentions that repeat an earlier address, from 0 to [`MOST_DUPLICATES`](Self::MOST_DUPLICATES).
    pub duplicate_share: f64,
    /// The share of mentions that are written with character references, from 0 to 1.
    pub encoded_share: f64,
    /// How many decoys such as `logo-17@2x.png` there are for every mention, from 0 to 1.
    pub decoy_share: f64,
    /// The share of calls and pages whose first request fails, by a 500 or a dropped connection, from 0 to 1.
    pub failure_share: f64,
}

impl SimulationOptions {
    /// The most that [`duplicate_share`](Self::duplicate_share) may be: new addresses have to come to an end.
    pub const MOST_DUPLICATES: f64 = 0.95;
}

impl Default for SimulationOptions {
    /// 10,000 addresses, ten a call and one page a call, answered at once, with some of everything but failures.
    fn default() -> Self {
        Self {
            seed: 1,
            emails: 10_000,
            emails_per_call: 10,
            pages_per_call: 1,
            call_delay: Duration::ZERO,
            page_delay: Duration::ZERO,
            bears: None,
            page_bytes: 20_000,
            duplicate_share: 0.1,
            encoded_share: 0.15,
            decoy_share: 0.1,
            failure_share: 0.0,
        }
    }
}

/// What a simulated web has served so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimulationStats {
    /// Requests, failed ones included.
    pub requests: u64,
    /// Search calls answered with results.
    pub calls: u64,
    /// Pages answered.
    pub pages: u64,
    /// Requests made to fail.
    pub failures: u64,
    /// Mentions of addresses in what was answered, repeats included.
    pub mentions: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Bytes of bodies answered.
    pub bytes: u64,
}

/// A simulated web that is being served. Dropping it ends all its connections.
#[derive(Debug)]
pub struct SimulatedWeb {
    server: Arc<Server>,
    accepting: JoinHandle<()>,
}

impl SimulatedWeb {
    /// Serves on a free loopback port.
    ///
    /// # Errors
    /// When an option is out of its range, or no port can be bound.
    pub async fn start(options: SimulationOptions) -> io::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), options).await
    }

    /// Serves on this address, which must be a loopback address.
    ///
    /// # Errors
    /// When the address is not loopback or cannot be bound, or an option is out of its range.
    pub async fn start_on(listen: SocketAddr, options: SimulationOptions) -> io::Result<Self> {
        check(&options)?;
        let (server, listener) = Server::bind(listen, Layout::new(options))?;
        let server = Arc::new(server);
        let accepting = tokio::spawn(server::accept(server.clone(), listener));
        Ok(Self { server, accepting })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// The URL of the search API, without its query.
    pub fn search_url(&self) -> String {
        format!("http://{}/search", self.local_addr())
    }

    /// The URL from which every page can be reached by links.
    pub fn site_url(&self) -> String {
        format!("http://{}/site/", self.local_addr())
    }

    /// The URL of page `n`, from 0.
    pub fn page_url(&self, n: u64) -> String {
        format!("http://{}/p/{n}", self.local_addr())
    }

    /// How many pages there are.
    pub fn pages(&self) -> u64 {
        self.server.layout().pages()
    }

    /// How many search calls have results.
    pub fn calls(&self) -> u64 {
        self.server.layout().calls()
    }

    /// The i-th address, from 0.
    pub fn address(&self, i: u64) -> Address {
        address(self.server.layout().options().seed, i)
    }

    /// All addresses that exist, in order.
    pub fn addresses(&self) -> impl Iterator<Item = Address> + use<> {
        let options = self.server.layout().options();
        addresses(options.seed, options.emails)
    }

    /// What it has served so far.
    pub fn stats(&self) -> SimulationStats {
        self.server.stats()
    }
}

impl Drop for SimulatedWeb {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The i-th address of the web with this seed, without serving it.
pub fn address(seed: u64, i: u64) -> Address {
    let text = address::text(seed, i);
    Address::parse(&text).unwrap_or_else(|| unreachable!("`{text}` is made of valid parts"))
}

/// All addresses of the web with this seed and so many of them, without serving it.
pub fn addresses(seed: u64, emails: u64) -> impl Iterator<Item = Address> {
    (0..emails).map(move |i| address(seed, i))
}

fn check(options: &SimulationOptions) -> io::Result<()> {
    let invalid = |message: String| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    if options.emails_per_call == 0 {
        return invalid("e-mails per call is 0: give at least 1".to_owned());
    }
    for (name, value, most) in [
        ("share of duplicates", options.duplicate_share, SimulationOptions::MOST_DUPLICATES),
        ("share of encoded mentions", options.encoded_share, 1.0),
        ("share of decoys", options.decoy_share, 1.0),
        ("share of failures", options.failure_share, 1.0),
    ] {
        if !(0.0..=most).contains(&value) {
            return invalid(format!("{name} is {value}: give a number from 0 to {most}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
