//! Files of /proc that show the container's limits where the kernel's show the machine: lxcfs makes them, for every
//! container by the cgroup of the process that reads.

use std::path::{Path, PathBuf};

use hull_sys::fs::magic;

use crate::engine::Engine;

/// Where lxcfs serves its files (lxcfs(1)).
const LXCFS: &str = "/var/lib/lxcfs";

/// Those that stand for files of /proc.
const FILES: [&str; 8] =
    ["cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime"];

impl Engine {
    /// Whether the memory and the processors that /proc shows in a system container are the container's own.
    pub fn has_own_views(&self) -> bool {
        are_served()
    }
}

/// Whether lxcfs runs. The directory stays when it has ended.
fn are_served() -> bool {
    let directory = std::fs::File::open(Path::new(LXCFS).join("proc"));
    directory.is_ok_and(|directory| magic::file_system_of(&directory).is_ok_and(|found| found == magic::FUSE))
}

/// The files, each with the place in the container at which it is mounted. None if lxcfs does not run.
pub(crate) fn mounts() -> Vec<(PathBuf, PathBuf)> {
    if !are_served() {
        return vec![];
    }
    let pair = |name: &str| (Path::new(LXCFS).join("proc").join(name), Path::new("/proc").join(name));
    FILES.into_iter().map(pair).filter(|(source, _)| source.exists()).collect()
}
