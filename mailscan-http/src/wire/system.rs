//! What this process and its machine use, now and lately, as JSON.

use mailscan_core::clock::Timestamp;
use mailscan_core::resources::Resources;
use serde::Serialize;
use utoipa::ToSchema;

/// Memory of this process and its machine in bytes, the processors, and the load.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct System {
    memory_bytes: u64,
    memory_peak_bytes: u64,
    memory_limit_bytes: u64,
    memory_percentage: f64,
    memory_used_bytes: u64,
    /// Of this process; 100 is one processor.
    process_cpu_percentage: f64,
    load_1min: f64,
    load_5min: f64,
    load_15min: f64,
    cpus: usize,
    history: Vec<Moment>,
}

/// What was measured at one moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Moment {
    at: String,
    /// Memory of this process.
    memory_bytes: u64,
    load_1min: f64,
    /// How busy the processors are, by anybody; 100 is all of them.
    cpu_percentage: f64,
}

impl System {
    /// The wire form of what was measured last, and before that, the oldest first.
    pub fn new(now: &Resources, history: &[(Timestamp, Resources)]) -> Self {
        let [load_1min, load_5min, load_15min] = now.load;
        Self {
            memory_bytes: now.memory,
            memory_peak_bytes: now.memory_peak,
            memory_limit_bytes: now.memory_limit,
            memory_percentage: now.memory_percent(),
            memory_used_bytes: now.memory_used,
            process_cpu_percentage: percentage(now.process_cpu),
            load_1min,
            load_5min,
            load_15min,
            cpus: now.cpus,
            history: history.iter().map(Moment::from).collect(),
        }
    }
}

impl From<&(Timestamp, Resources)> for Moment {
    fn from((at, resources): &(Timestamp, Resources)) -> Self {
        Self {
            at: at.rfc3339(),
            memory_bytes: resources.memory,
            load_1min: resources.load[0],
            cpu_percentage: percentage(resources.cpu),
        }
    }
}

/// A share as a percentage with one place after the point.
fn percentage(share: f64) -> f64 {
    (share * 1_000.0).round() / 10.0
}
