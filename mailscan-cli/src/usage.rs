//! What this process has used so far, as Linux tells it; nothing elsewhere.

/// Seconds of CPU, of all threads.
pub(crate) fn cpu_seconds() -> Option<f64> {
    cpu_of(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// The most memory that was resident at one time, in bytes.
pub(crate) fn peak_rss_bytes() -> Option<u64> {
    peak_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn cpu_of(stat: &str) -> Option<f64> {
    // The second field is the name in brackets, which may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    // Linux reports in hundredths of a second on every architecture that this runs on.
    Some((user + system) as f64 / 100.0)
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 8 0 12345 1000 200 18446744073709551615";
        assert_eq!(cpu_of(stat), Some(3.0));
        assert_eq!(peak_of("Name:\tx\nVmHWM:\t    1234 kB\nVmRSS: 1 kB\n"), Some(1_234 * 1_024));
        assert_eq!((cpu_of(""), peak_of("")), (None, None));
    }
}
