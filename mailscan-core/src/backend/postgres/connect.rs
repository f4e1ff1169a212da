//! Connections: one by one for what needs a session of its own, and a pool for everything else.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime, WeakPool};
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::Failure;
use super::tls;
use super::url::{CONNECT_TIMEOUT, Target};
use crate::error::{Error, ErrorKind, Result};

/// How long an operation waits for a connection of the pool to be free.
const WAIT: Duration = Duration::from_secs(10);
/// The least time between two looks for connections that stand idle.
const LEAST_LOOK: Duration = Duration::from_millis(10);

/// Makes connections to one database.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    pub(super) place: String,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The half of a connection that moves its bytes.
pub(super) type Driver = Connection<Socket, <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<Socket>>::Stream>;

impl Connector {
    pub(super) fn new(target: &Target) -> Result<Self> {
        let tls = tls::connector(&target.protection)?;
        Ok(Self { config: target.config.clone(), tls, place: target.place.clone() })
    }

    /// A connection of its own.
    pub(super) async fn connect(&self) -> Result<(Client, Driver), Failure> {
        let connected = tokio::time::timeout(self.patience(), self.config.connect(self.tls.clone())).await;
        let silent = |_| {
            let message = format!("the server at {} takes connections and says nothing: check the server", self.place);
            Failure::Own(ErrorKind::Unavailable, message)
        };
        Ok(connected.map_err(silent)??)
    }

    /// How long a connection may take to be there. The time that the URL gives is one for the way to each server alone, so
    /// each has as long again to say who it is.
    fn patience(&self) -> Duration {
        let each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT).saturating_mul(2);
        each.saturating_mul(u32::try_from(self.config.get_hosts().len().max(1)).unwrap_or(u32::MAX))
    }

    /// A pool of connections, which are made when they are wanted, made anew when they broke, and closed when nobody has
    /// wanted them for so long.
    pub(super) fn pool(&self, most: usize, idle_for: Duration) -> Result<Pool> {
        // What a broken connection left behind ends with it, so a look at the socket is all the care that is needed.
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), manager);
        let pool = Pool::builder(manager).max_size(most.max(1)).runtime(Runtime::Tokio1).wait_timeout(Some(WAIT));
        // In turn, a node that only looks for work would use all that it ever opened.
        let pool = pool.queue_mode(QueueMode::Lifo).build().map_err(|error| {
            Error::new(ErrorKind::Internal, "open database", "no pool of connections").with_source(error)
        })?;
        tokio::spawn(close_idle(pool.weak(), idle_for));
        Ok(pool)
    }
}

/// Closes connections that have stood idle for so long, until the pool is gone: a server has few, for all nodes together.
async fn close_idle(pool: WeakPool, idle_for: Duration) {
    loop {
        tokio::time::sleep((idle_for / 2).max(LEAST_LOOK)).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.retain(|_, metrics| metrics.last_used() < idle_for);
    }
}
