//! The hint that tasks are ready, from process to process: NOTIFY and LISTEN.
//!
//! A hint that is lost costs one turn of polling, so nothing here may hold an operation up: a task of its own tells the
//! others, a few times a second at most since the server lets only one transaction at a time tell anything, and another
//! one listens, over a connection that is made anew for as long as it takes.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_postgres::AsyncMessage;
use tokio_postgres::types::Type;

use super::connect::Connector;
use super::failure::Failure;
use crate::backend::ready::ReadyHint;

/// The least time between two hints of one process.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// The first and the longest wait before the listener connects again.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// The tasks that tell and listen; they end when it is dropped.
#[derive(Debug)]
pub(super) struct Hints {
    news: Option<Arc<Notify>>,
    /// The name of this process among those that share the database.
    pub(super) sender: String,
    _tasks: JoinSet<()>,
}

impl Hints {
    /// Starts them on the current runtime; without `listen` it does nothing.
    pub(super) fn start(
        connector: &Connector,
        pool: deadpool_postgres::Pool,
        hint: Arc<ReadyHint>,
        listen: bool,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let sender = format!("{:016x}", rand::random::<u64>());
        if !listen {
            return Self { news: None, sender, _tasks: tasks };
        }
        let news = Arc::new(Notify::new());
        // What comes back to its sender is no news.
        tasks.spawn(tell(pool, news.clone(), sender.clone()));
        tasks.spawn(listen_for_ever(connector.clone(), hint, sender.clone()));
        Self { news: Some(news), sender, _tasks: tasks }
    }

    /// Has the other processes told, soon.
    pub(super) fn tell(&self) {
        if let Some(news) = &self.news {
            news.notify_one();
        }
    }
}

async fn tell(pool: deadpool_postgres::Pool, news: Arc<Notify>, sender: String) {
    loop {
        news.notified().await;
        let told = async {
            pool.get().await?.query_typed(sql!("notify"), &[(&sender, Type::TEXT)]).await?;
            Ok::<_, Failure>(())
        };
        if let Err(failure) = told.await {
            tracing::debug!(?failure, "other processes were not told of ready tasks");
        }
        tokio::time::sleep(TELL_EVERY).await;
    }
}

async fn listen_for_ever(connector: Connector, hint: Arc<ReadyHint>, sender: String) {
    let mut wait = RECONNECT.0;
    loop {
        let begun = tokio::time::Instant::now();
        let Err(failure) = listen(&connector, &hint, &sender).await else { return };
        tracing::debug!(?failure, "the listener for ready tasks lost its connection");
        // Who held on for a while may come back at once.
        wait = if begun.elapsed() > RECONNECT.1 { RECONNECT.0 } else { (wait * 2).min(RECONNECT.1) };
        tokio::time::sleep(wait.mul_f64(0.5 + rand::random::<f64>())).await;
    }
}

/// Listens until the connection ends, which is a failure.
async fn listen(connector: &Connector, hint: &ReadyHint, sender: &str) -> Result<(), Failure> {
    let (client, mut driver) = connector.connect().await?;
    let mut messages = futures::stream::poll_fn(move |context| driver.poll_message(context));
    let mut listening = std::pin::pin!(client.batch_execute("LISTEN mailscan_ready"));
    let mut asked = false;
    loop {
        tokio::select! {
            answer = &mut listening, if !asked => {
                answer?;
                asked = true;
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(note))) if note.payload() != sender => hint.give(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Failure::Own(crate::ErrorKind::Unavailable, "the connection ended".to_owned())),
            },
        }
    }
}
