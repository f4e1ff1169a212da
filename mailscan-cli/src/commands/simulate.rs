//! `simulate`: the simulated web in a process of its own, so that `demo` measures mailscan alone.
//!
//! Prints one line of JSON when it listens and one when it ends, which it does with its standard input.

use std::io::{Read, Write};

use mailscan_core::simulate::SimulatedWeb;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure, Result};
use crate::{args, config};

/// Where a simulated web listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listening {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) search_url: String,
    pub(crate) site_url: String,
    pub(crate) calls: u64,
    pub(crate) pages: u64,
}

/// What a simulated web has served.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Served {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) mentions: u64,
    pub(crate) connections: u64,
    pub(crate) bytes: u64,
    pub(crate) cpu_seconds: Option<f64>,
}

pub(crate) async fn run(typed: &args::Simulate) -> Result<Exit> {
    let options = config::simulation(&typed.simulated);
    let started = SimulatedWeb::start_on(typed.listen, options).await;
    let web = started.map_err(|error| Failure::Failed(format!("cannot simulate: {error}")))?;
    say(&Listening {
        address: web.local_addr(),
        search_url: web.search_url(),
        site_url: web.site_url(),
        calls: web.calls(),
        pages: web.pages(),
    })?;
    // Ctrl-C reaches every process of a terminal; whoever started this one still needs it to drain.
    tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    // Ends with whoever started it, however that ends.
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = ended.await;
    let stats = web.stats();
    say(&Served {
        requests: stats.requests,
        failures: stats.failures,
        mentions: stats.mentions,
        connections: stats.connections,
        bytes: stats.bytes,
        cpu_seconds: crate::usage::cpu_seconds(),
    })?;
    Ok(Exit::Done)
}

fn say(line: &impl Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    writeln!(out)?;
    Ok(out.flush()?)
}
