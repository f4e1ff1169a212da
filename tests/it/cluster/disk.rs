//! A small disk for the tables of a server, which a test can fill.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::postgres::Cluster;

/// A file system in memory, mounted for one test and used by one tablespace.
pub(super) struct SmallDisk {
    path: PathBuf,
    pub(super) tablespace: &'static str,
}

impl SmallDisk {
    /// Mounts one and makes a tablespace on it; nothing where that is not allowed.
    pub(super) async fn mount(cluster: &Cluster) -> Option<Self> {
        let (uid, gid) = cluster.user?;
        let path = tempfile::Builder::new().prefix("mailscan-disk-").tempdir().unwrap().keep();
        let options = format!("size=512m,uid={uid},gid={gid},mode=700");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).stderr(Stdio::null()).status();
        if !mounted.is_ok_and(|status| status.success()) {
            std::fs::remove_dir(&path).unwrap();
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
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
        let _ = std::fs::remove_dir(&self.path);
    }
}
