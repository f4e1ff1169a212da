//! The control groups of Linux that hold this process: what they allow of memory and processors, and what of it is in use.
//!
//! A container is such a group. Groups lie within each other, and the limit of each holds for all that is within it: so all of
//! them are read, from that of the process up to the outermost that can be seen. Both versions of their files are known.

use std::fs::read_to_string;
use std::path::{Component, Path, PathBuf};

/// The folders of the groups that limit this process, the innermost first. None elsewhere than on Linux.
#[derive(Debug, Default)]
pub(super) struct Groups {
    memory: Vec<Folder>,
    cpu: Vec<Folder>,
}

/// The folder of one group.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Memory that somebody may have, and what of it is in use, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) limit: u64,
    pub(super) used: u64,
}

impl Memory {
    /// The share that is in use.
    pub(super) fn share(&self) -> f64 {
        self.used as f64 / self.limit.max(1) as f64
    }
}

impl Groups {
    /// The groups of this process by the files under `root`, which is `/` but in tests. A process is moved to others seldom enough
    /// to look once.
    pub(super) fn find(root: &Path) -> Self {
        let read = |path: &str| read_to_string(root.join(path)).unwrap_or_default();
        let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
        let folders = |controller| {
            // A controller is that of one version, and where it is of the first, the second knows nothing of it.
            let first = folders_of(root, &groups, &mounts, Version::One, controller);
            if first.is_empty() { folders_of(root, &groups, &mounts, Version::Two, controller) } else { first }
        };
        Self { memory: folders("memory"), cpu: folders("cpu") }
    }

    /// The memory of each group that has a limit below `machine`, which is what the machine has, in bytes. Pages of files and what
    /// the system keeps of them are not in use where it gives them up when asked.
    pub(super) fn memory(&self, machine: u64) -> Vec<Memory> {
        self.memory.iter().filter_map(Folder::memory).filter(|memory| (1..machine).contains(&memory.limit)).collect()
    }

    /// How many processors the groups leave to this process, in parts of one as well; `None` where they limit nothing.
    pub(super) fn processors(&self) -> Option<f64> {
        self.cpu.iter().filter_map(Folder::processors).min_by(f64::total_cmp)
    }
}

impl Folder {
    fn memory(&self) -> Option<Memory> {
        let [limit, usage, given_up @ ..] = match self.version {
            Version::One => {
                ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "total_active_file", ""]
            }
            Version::Two => ["memory.max", "memory.current", "inactive_file", "active_file", "slab_reclaimable"],
        };
        // `max` is no number, and no limit.
        let (limit, usage) = (self.number(limit)?, self.number(usage)?);
        let stat = self.read("memory.stat")?;
        let figures = stat.lines().filter_map(|line| line.split_once(' '));
        let given_up = figures.filter(|(name, _)| given_up.contains(name));
        let given_up: u64 = given_up.filter_map(|(_, bytes)| bytes.trim().parse::<u64>().ok()).sum();
        Some(Memory { limit, used: usage.saturating_sub(given_up) })
    }

    fn processors(&self) -> Option<f64> {
        let (quota, period) = match self.version {
            Version::One => (self.number("cpu.cfs_quota_us")?, self.number("cpu.cfs_period_us")?),
            Version::Two => {
                let line = self.read("cpu.max")?;
                let (quota, period) = line.trim().split_once(' ')?;
                (quota.parse().ok()?, period.parse().ok()?)
            }
        };
        (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
    }

    fn read(&self, file: &str) -> Option<String> {
        read_to_string(self.path.join(file)).ok()
    }

    /// What a file of one number says; `None` for less than 0.
    fn number(&self, file: &str) -> Option<u64> {
        self.read(file)?.trim().parse().ok()
    }
}

/// The folders of a controller, from that of the process to where its groups are mounted; none where they are not.
fn folders_of(root: &Path, groups: &str, mounts: &str, version: Version, controller: &str) -> Vec<Folder> {
    let Some(group) = groups.lines().find_map(|line| group_of(line, version, controller)) else { return Vec::new() };
    let Some((within, at)) = mounts.lines().find_map(|line| mount_of(line, version, controller)) else {
        return Vec::new();
    };
    let top = inside(root, &at);
    // A container may see no more than its own group, mounted under the name that it has outside or under none.
    let below = Path::new(group).strip_prefix(&within).unwrap_or(Path::new(""));
    let folder = inside(&top, below);
    let ancestors = folder.ancestors().take_while(|path| path.starts_with(&top));
    ancestors.map(|path| Folder { path: path.to_owned(), version }).collect()
}

/// The group in a line of `/proc/self/cgroup`, such as `4:memory:/docker/1f` or `0::/system.slice`.
fn group_of<'a>(line: &'a str, version: Version, controller: &str) -> Option<&'a str> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, group) = (parts.next()?, parts.next()?);
    let is_it = match version {
        Version::One => controllers.split(',').any(|name| name == controller),
        Version::Two => controllers.is_empty(),
    };
    is_it.then_some(group)
}

/// What a line of `/proc/self/mountinfo` mounts and where, if these are groups with the controller.
fn mount_of(line: &str, version: Version, controller: &str) -> Option<(PathBuf, PathBuf)> {
    let (mounted, kind) = line.split_once(" - ")?;
    let mut mounted = mounted.split(' ').skip(3);
    let (within, at) = (mounted.next()?, mounted.next()?);
    let mut kind = kind.split(' ');
    let (system, options) = (kind.next()?, kind.nth(1)?);
    let is_it = match version {
        Version::One => system == "cgroup" && options.split(',').any(|name| name == controller),
        Version::Two => system == "cgroup2",
    };
    // Blanks in names are written as numbers.
    let path = |name: &str| PathBuf::from(name.replace("\\040", " "));
    is_it.then(|| (path(within), path(at)))
}

/// A path as one below `folder`, whatever it begins with; what leads out of it is left out.
fn inside(folder: &Path, path: &Path) -> PathBuf {
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
    folder.join(parts.collect::<PathBuf>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const MB: u64 = 1_000_000;

    /// A folder with files like those of Linux.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    const SECOND: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn what_others_use_of_a_group_around_ours_counts() {
        let stat = "anon 150000000\nfile 90000000\nshmem 30000000\ninactive_file 40000000\nactive_file 20000000\n\
                    slab_reclaimable 5000000\nslab_unreclaimable 7000000\n";
        let root = machine(&[
            ("proc/self/cgroup", "0::/pod/ours\n"),
            ("proc/self/mountinfo", SECOND),
            ("sys/fs/cgroup/cgroup.controllers", "cpu memory"),
            ("sys/fs/cgroup/pod/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/pod/memory.current", "965000000\n"),
            ("sys/fs/cgroup/pod/memory.stat", stat),
            ("sys/fs/cgroup/pod/cpu.max", "50000 100000\n"),
            ("sys/fs/cgroup/pod/ours/memory.max", "max\n"),
            ("sys/fs/cgroup/pod/ours/memory.current", "265000000\n"),
            ("sys/fs/cgroup/pod/ours/memory.stat", stat),
            ("sys/fs/cgroup/pod/ours/cpu.max", "150000 100000\n"),
        ]);
        let groups = Groups::find(root.path());
        assert_eq!(groups.memory(64 * GIB), [Memory { limit: GIB, used: 900 * MB }], "but no pages of files");
        assert_eq!(groups.memory(GIB), [], "no more than there is anyhow");
        assert_eq!(groups.processors(), Some(0.5), "the least of all");
        std::fs::write(root.path().join("sys/fs/cgroup/pod/ours/memory.max"), "500000000").unwrap();
        let both = [Memory { limit: 500 * MB, used: 200 * MB }, Memory { limit: GIB, used: 900 * MB }];
        assert_eq!(groups.memory(64 * GIB), both);
    }

    #[test]
    fn the_first_version_is_known_as_well() {
        let root = machine(&[
            ("proc/self/cgroup", "4:memory:/docker/1f\n3:cpu,cpuacct:/docker/1f\n0::/\n"),
            (
                "proc/self/mountinfo",
                "35 31 0:32 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                 36 31 0:33 /docker/1f /sys/fs/cgroup/cpu\\040s ro - cgroup cgroup rw,cpu,cpuacct\n\
                 41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            ),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "700000000\n"),
            (
                "sys/fs/cgroup/memory/memory.stat",
                "inactive_file 1\nactive_file 2\ntotal_inactive_file 90000000\ntotal_active_file 10000000\n",
            ),
            ("sys/fs/cgroup/cpu s/cpu.cfs_quota_us", "150000\n"),
            ("sys/fs/cgroup/cpu s/cpu.cfs_period_us", "100000\n"),
        ]);
        let groups = Groups::find(root.path());
        assert_eq!(groups.memory(64 * GIB), [Memory { limit: GIB, used: 600 * MB }]);
        assert_eq!(groups.processors(), Some(1.5));
        std::fs::write(root.path().join("sys/fs/cgroup/cpu s/cpu.cfs_quota_us"), "-1\n").unwrap();
        std::fs::write(root.path().join("sys/fs/cgroup/memory/memory.limit_in_bytes"), "9223372036854771712").unwrap();
        assert_eq!((groups.memory(64 * GIB), groups.processors()), (Vec::new(), None), "without limits");
    }

    #[test]
    fn a_container_that_sees_its_group_as_the_outermost_is_limited_by_it() {
        for group in ["/", "/../elsewhere", "/kubepods/pod"] {
            let root = machine(&[
                ("proc/self/cgroup", &format!("0::{group}\n")),
                ("proc/self/mountinfo", SECOND),
                ("sys/fs/cgroup/memory.max", "1000"),
                ("sys/fs/cgroup/memory.current", "500"),
                ("sys/fs/cgroup/memory.stat", ""),
                ("sys/fs/cgroup/cpu.max", "max 100000"),
            ]);
            let groups = Groups::find(root.path());
            assert_eq!(groups.memory(GIB), [Memory { limit: 1_000, used: 500 }], "{group}");
            assert_eq!(groups.processors(), None, "{group}");
        }
        assert_eq!(Groups::find(machine(&[]).path()).memory(GIB), []);
    }
}
