//! What keeps an engine from writing to its database, told in one line when it begins and in one when it is over.

use std::time::Duration;

use mailscan_core::engine::Monitor;
use tokio::time::{Interval, MissedTickBehavior};

use crate::render::escape;

/// How often the engine is asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many looks in a row find nothing when it is over: of several calls that fail, one may be answered before the others.
const OVER: u32 = 3;

/// Looks at one engine.
#[derive(Debug)]
pub(crate) struct Outages {
    monitor: Monitor,
    looks: Interval,
    told: bool,
    /// How many looks in a row found nothing.
    quiet: u32,
}

impl Outages {
    pub(crate) fn of(monitor: Monitor) -> Self {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { monitor, looks, told: false, quiet: 0 }
    }

    /// Waits for the next line. Cancel-safe.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            self.looks.tick().await;
            let trouble = self.monitor.vitals().and_then(|vitals| vitals.trouble);
            self.quiet = if trouble.is_some() { 0 } else { self.quiet.saturating_add(1) };
            match trouble {
                Some(trouble) if !self.told => {
                    self.told = true;
                    return format!("the database takes nothing, and is waited for: {}", escape(&trouble));
                }
                None if self.told && self.quiet >= OVER => {
                    self.told = false;
                    return "the database takes what is written again".to_owned();
                }
                _ => {}
            }
        }
    }
}
