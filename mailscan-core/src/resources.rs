//! What this process and its machine use: memory and load. The only user of `sysinfo`.
//!
//! Supervisors and servers sample it off the request path and show or act on what it says.

mod cgroup;

use std::path::Path;
use std::time::Duration;

use cgroup::{Groups, Memory};
use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Memory and load at one moment. Sizes are in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resources {
    /// Memory of this process.
    pub memory: u64,
    /// The most memory this process has had, as far as samples and the system tell.
    pub memory_peak: u64,
    /// The limit that holds for this process: the container's where there is one, else the machine's memory.
    pub memory_limit: u64,
    /// Memory in use within that limit, by anybody; caches that the system gives up when asked are not counted.
    pub memory_used: u64,
    /// Of all limits that hold for this process (its container's, those of what that is in, the machine's memory) the one that is
    /// the nearest to being used up; none that is more than four times `memory_limit`, which many share.
    pub nearest_limit: u64,
    /// Memory in use within that one, counted in the same way.
    pub nearest_used: u64,
    /// The addresses of memory that this process needs: those of its memory, and of what else it had when it was first asked.
    /// What is set aside later for memory that is given back is used again, and not counted.
    pub address_space: u64,
    /// How many it may have (`ulimit -v`), on Linux; 0 where nothing limits them.
    pub address_space_limit: u64,
    /// The share of these processors that is busy, by anybody, from 0 to 1.
    pub cpu: f64,
    /// The processor time that this process takes, in processors: 1.5 is one and a half of them, busy all the time.
    pub process_cpu: f64,
    /// The processor time that this process has taken.
    pub process_cpu_time: Duration,
    /// CPU load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Processors that this process may use.
    pub cpus: usize,
    /// How much of them it may take, in processors: parts of one as well where its container has a quota, else `cpus`.
    pub processors: f64,
}

impl Resources {
    /// Memory of this process as a percentage of the limit.
    pub fn memory_percent(&self) -> f64 {
        if self.memory_limit == 0 { 0.0 } else { self.memory as f64 * 100.0 / self.memory_limit as f64 }
    }
}

/// Samples [`Resources`]; keeps the peak between samples.
#[derive(Debug)]
pub struct Sampler {
    /// `None` where the system is none that `sysinfo` knows; then every figure but the processors is 0.
    system: Option<System>,
    groups: Groups,
    pid: Option<Pid>,
    peak: u64,
    address_space_limit: u64,
    /// Addresses that were reserved and not used at the first sample.
    reserved: Option<u64>,
}

impl Sampler {
    /// A sampler for this process.
    pub fn new() -> Self {
        let (system, pid) = (System::new().ok(), sysinfo::get_current_pid().ok());
        let groups = Groups::find(Path::new("/"));
        Self { system, groups, pid, peak: 0, address_space_limit: address_space_limit(), reserved: None }
    }

    /// Reads the system now; takes well under a millisecond.
    pub fn sample(&mut self) -> Resources {
        let (memory, addresses, process_cpu, process_cpu_time) = self.process();
        let reserved = *self.reserved.get_or_insert(addresses.saturating_sub(memory));
        self.peak = self.peak.max(memory).max(peak_of_the_system());
        let (least, nearest) = self.limits();
        let cpu = self.busy();
        let load = System::load_average().map_or([0.0; 3], |load| [load.one, load.five, load.fifteen]);
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Resources {
            memory,
            memory_peak: self.peak,
            memory_limit: least.limit,
            memory_used: least.used,
            nearest_limit: nearest.limit,
            nearest_used: nearest.used,
            address_space: memory + reserved,
            address_space_limit: self.address_space_limit,
            cpu,
            process_cpu,
            process_cpu_time,
            load,
            cpus,
            processors: processors(cpus, self.groups.processors()),
        }
    }

    /// The least limit of memory that holds for this process, and the one that is the nearest to being used up.
    fn limits(&mut self) -> (Memory, Memory) {
        let Some(system) = &mut self.system else { return Default::default() };
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let machine = Memory { limit: system.total_memory(), used: system.used_memory() };
        limits(machine, &self.groups.memory(machine.limit))
    }

    /// The share of the processors that is busy since the last sample.
    fn busy(&mut self) -> f64 {
        let Some(system) = &mut self.system else { return 0.0 };
        system.refresh_cpu_usage();
        (f64::from(system.global_cpu_usage()) / 100.0).clamp(0.0, 1.0)
    }

    /// Memory, addresses of memory, processors since the last sample, and processor time of this process.
    fn process(&mut self) -> (u64, u64, f64, Duration) {
        let (Some(system), Some(pid)) = (&mut self.system, self.pid) else { return Default::default() };
        let kind = ProcessRefreshKind::nothing().with_memory().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
        let Some(process) = system.process(pid) else { return Default::default() };
        let time = Duration::from_millis(process.accumulated_cpu_time());
        (process.memory(), process.virtual_memory(), f64::from(process.cpu_usage()).max(0.0) / 100.0, time)
    }
}

/// Memory that is so many times as large as what this process may have is not its to look after.
const SHARED_WITH_MANY: u64 = 4;

/// The least limit of the machine's and its groups', and the one that is the nearest to being used up.
fn limits(machine: Memory, groups: &[Memory]) -> (Memory, Memory) {
    let least = groups.iter().copied().min_by_key(|memory| memory.limit).unwrap_or(machine);
    // What is much larger is shared with many, who look after it together.
    let near = groups.iter().copied().chain([machine]).filter(|memory| memory.limit / SHARED_WITH_MANY <= least.limit);
    (least, near.max_by(|a, b| a.share().total_cmp(&b.share())).unwrap_or(least))
}

/// How many processors this process may take, by those that it sees and the quota of its container. What it sees of a quota is
/// whole processors, and one at least.
fn processors(cpus: usize, quota: Option<f64>) -> f64 {
    let seen = cpus as f64;
    quota.filter(|quota| *quota < seen + 1.0).unwrap_or(seen)
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

/// How many bytes may still be written where this path is, existing or not; `None` when the system does not tell.
pub fn free_space(path: &std::path::Path) -> Option<u64> {
    // Only this file system is asked: another that does not answer, such as one on a network, is none of our business.
    path.ancestors().find_map(|path| fs4::available_space(path).ok())
}

/// The machine's name, or `unknown`.
pub fn host_name() -> String {
    System::host_name().unwrap_or_else(|_| "unknown".to_owned())
}

/// How many addresses of memory Linux lets this process have, in bytes; 0 where it may have any, and elsewhere.
fn address_space_limit() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The peak that Linux keeps of this process, which no gap between samples can miss; 0 elsewhere.
fn peak_of_the_system() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_has_memory_within_its_limit() {
        let resources = Sampler::new().sample();
        assert!(resources.memory > 0 && resources.memory <= resources.memory_peak, "{resources:?}");
        assert!(resources.memory_limit >= resources.memory, "{resources:?}");
        assert!(resources.memory_percent() > 0.0 && resources.memory_percent() <= 100.0);
        assert!(resources.cpus >= 1 && resources.processors > 0.0);
        let nearest = (resources.nearest_used, resources.nearest_limit);
        assert!(nearest.0 > 0 && nearest.1 >= resources.memory_limit, "{resources:?}");
    }

    #[test]
    fn the_least_limit_is_told_and_the_nearest_as_well() {
        let [machine, pod, own] = [(16, 15), (8, 6), (4, 0)].map(|(limit, used)| Memory { limit, used });
        assert_eq!(limits(machine, &[]), (machine, machine));
        assert_eq!(limits(machine, &[own, pod]), (own, machine));
        assert_eq!(limits(Memory { used: 5, ..machine }, &[own, pod]), (own, pod));
        let large = Memory { limit: 64, used: 63 };
        assert_eq!(limits(large, &[own, pod]), (own, pod), "it is shared with many");
        assert_eq!(limits(large, &[own]), (own, own));
    }

    #[test]
    fn quotas_are_no_whole_processors() {
        assert_eq!([None, Some(0.5)].map(|quota| processors(1, quota)), [1.0, 0.5]);
        assert_eq!([Some(1.5), Some(8.0)].map(|quota| processors(1, quota)), [1.5, 1.0]);
        assert_eq!(processors(8, Some(2.5)), 2.5);
    }

    #[test]
    fn there_is_room_where_this_is_built() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let room = free_space(here).unwrap();
        assert!(room > 0);
        assert!(free_space(&here.join("no such folder/jobs.db")).is_some());
    }

    /// What the process of the next test may have.
    #[cfg(target_os = "linux")]
    const FEW_ADDRESSES: u64 = 64 << 30;

    #[cfg(target_os = "linux")]
    #[test]
    #[ignore = "the next test runs it in a process that may have few addresses"]
    fn a_process_knows_how_many_addresses_it_may_have() {
        let resources = Sampler::new().sample();
        assert_eq!(resources.address_space_limit, FEW_ADDRESSES);
        assert!(
            resources.memory <= resources.address_space && resources.address_space < FEW_ADDRESSES,
            "{resources:?}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_addresses_that_a_process_may_have_are_a_limit() {
        let test = "resources::tests::a_process_knows_how_many_addresses_it_may_have";
        let script = format!("ulimit -v {} && exec \"$0\" --exact {test} --ignored", FEW_ADDRESSES >> 10);
        let mut shell = std::process::Command::new("sh");
        let ran = shell.arg("-c").arg(script).arg(std::env::current_exe().unwrap()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    }
}
