//! Files of lxcfs that are mounted over files of /proc. The kernel's own files show the memory and the processors of
//! the machine; those of lxcfs show the limits of the cgroup of the process that reads.

use std::path::{Path, PathBuf};

use hull_sys::fs::magic;

use crate::engine::Engine;

/// Where lxcfs serves its files (lxcfs(1)).
const LXCFS: &str = "/var/lib/lxcfs";

/// The files of lxcfs that stand for files of /proc.
const FILES: [&str; 8] =
    ["cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime"];

impl Engine {
    /// Whether /proc shows the container's own memory and processors in a system container.
    pub fn has_own_views(&self) -> bool {
        are_served()
    }
}

/// Whether lxcfs runs. Its directory stays when it has ended, so the type of the file system is checked.
fn are_served() -> bool {
    let directory = std::fs::File::open(Path::new(LXCFS).join("proc"));
    directory.is_ok_and(|directory| magic::file_system_of(&directory).is_ok_and(|found| found == magic::FUSE))
}

/// The files, each with its mount point in the container. Empty if lxcfs does not run.
pub(crate) fn mounts() -> Vec<(PathBuf, PathBuf)> {
    if !are_served() {
        return vec![];
    }
    let pair = |name: &str| (Path::new(LXCFS).join("proc").join(name), Path::new("/proc").join(name));
    FILES.into_iter().map(pair).filter(|(source, _)| source.exists()).collect()
}
