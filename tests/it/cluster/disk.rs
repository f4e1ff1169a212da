//! A small disk for the tables of a server, which a test can fill.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::postgres::Cluster;
use crate::services::{skip, tell};

/// A file system in memory, mounted for one test and used by one tablespace.
pub(super) struct SmallDisk {
    path: PathBuf,
    pub(super) tablespace: &'static str,
}

impl SmallDisk {
    /// Mounts one and makes a tablespace on it. Nothing where that is not to be had, which is told.
    pub(super) async fn mount(cluster: &Cluster) -> Option<Self> {
        let path = tempfile::Builder::new().prefix("mailscan-disk-").tempdir().unwrap().keep();
        let (uid, gid) = cluster.user.unwrap_or_else(|| {
            let folder = std::fs::metadata(&path).unwrap();
            (folder.uid(), folder.gid())
        });
        let options = format!("size=512m,uid={uid},gid={gid},mode=700");
        let mut mount = as_root("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).output();
        if !mounted.as_ref().is_ok_and(|mounted| mounted.status.success()) {
            std::fs::remove_dir(&path).unwrap();
            tell_why_not(
                &mounted.map_or_else(|error| error.to_string(), |ran| String::from_utf8_lossy(&ran.stderr).into()),
            );
            return None;
        }
        let disk = Self { path, tablespace: "small" };
        let create = format!("CREATE TABLESPACE {} LOCATION '{}'", disk.tablespace, disk.path.display());
        cluster.execute("postgres", &create).await;
        Some(disk)
    }

    /// Takes all the room that is left.
    pub(super) fn fill(&self) {
        let mut ballast = std::fs::File::create(self.path.join("ballast")).unwrap();
        for block in [vec![0; 1 << 20], vec![0; 1 << 12]] {
            while ballast.write_all(&block).is_ok() {}
        }
    }

    /// Gives it back.
    pub(super) fn empty(&self) {
        std::fs::remove_file(self.path.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server still has files open there.
        let _ = as_root("umount").arg("--lazy").arg(&self.path).status();
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// A command of the superuser, as whom `sudo` runs it where these tests are somebody else's.
fn as_root(program: &str) -> Command {
    let mut command = Command::new(if is_root() { program } else { "sudo" });
    if !is_root() {
        command.args(["--non-interactive", program]);
    }
    command.stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    status("Uid:").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
}

/// A line of what Linux says of this process.
fn status(name: &str) -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
}

/// A container may keep even its superuser from mounting anything: nobody who runs the tests there can mend that. Wherever
/// else, a full disk belongs to what is required.
fn tell_why_not(error: &str) {
    /// `CAP_SYS_ADMIN`, capabilities(7).
    const MAY_MOUNT: u64 = 1 << 21;
    let may = status("CapEff:").and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    let why = format!("no small disk can be mounted, so no full one was tried: {}", error.trim());
    if is_root() && may.is_some_and(|set| set & MAY_MOUNT == 0) {
        tell(&why);
    } else {
        skip(&format!("{why}: run the tests as root, or where `sudo` asks for no password"));
    }
}
