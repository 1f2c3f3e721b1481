//! The processes of a cgroup, and its removal. A container that may write to its cgroups makes others below them, whose
//! processes belong to it too.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::layout::{Layout, find};
use super::{Cgroup, Error, Result, TIMEOUT, files};
use crate::systemd::Unit;

impl Cgroup {
    /// The processes in it and below it.
    pub fn pids(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = self
            .directories()
            .flat_map(subtree)
            .filter_map(|directory| files::read(&directory.join("cgroup.procs")).ok())
            .flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>())
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Kills all processes in it and waits, for a limited time, until it is empty.
    pub fn kill_all(&self) -> Result<()> {
        self.kill_until(Instant::now() + TIMEOUT);
        Ok(())
    }

    fn kill_until(&self, deadline: Instant) {
        let mut by_kernel =
            self.directories().any(|directory| files::write(&directory.join("cgroup.kill"), "1").is_ok());
        loop {
            // On v1 a frozen process dies only after it is thawed, and another process may freeze it again meanwhile.
            self.thaw_all();
            let pids = self.pids();
            if pids.is_empty() || Instant::now() >= deadline {
                return;
            }
            for pid in pids.into_iter().filter(|_| !by_kernel) {
                // It may have ended a moment ago.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            by_kernel = false;
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Thaws this cgroup and those below it, each of which can be frozen by itself. The order is from the top down,
    /// because a cgroup stays frozen as long as one above it is.
    pub fn thaw_all(&self) {
        let (file, value) = match &self.layout {
            Layout::V2 { .. } => ("cgroup.freeze", "0"),
            Layout::V1 { .. } => ("freezer.state", "THAWED"),
        };
        for directory in self.freezer().into_iter().flat_map(subtree) {
            // An error is ignored: a cgroup that is gone needs no thawing, and one that cannot be thawed makes the
            // caller's wait fail.
            let _ = files::write(&directory.join(file), value);
        }
    }

    /// Removes it from all hierarchies, and kills what still runs in it. A missing one counts as removed.
    pub fn remove(&self) -> Result<()> {
        // One deadline for all hierarchies: otherwise a process that does not die would be waited for in each of them.
        let deadline = Instant::now() + TIMEOUT;
        let (mut first, mut killed) = (Ok(()), false);
        for directory in self.directories() {
            let removed = self.remove_directory(&directory, deadline, &mut killed);
            if first.is_ok() {
                first = removed;
            }
        }
        // Last, because systemd would send SIGTERM to what still runs, and wait.
        let forgotten = self.unit.as_ref().map_or(Ok(()), Unit::stop);
        first.and(Ok(forgotten?))
    }

    /// Removes it from each hierarchy in which it is empty.
    ///
    /// One hierarchy is first checked for cgroups below, by the number of links of the directory: the kernel refuses to
    /// remove such a cgroup only after it has taken the lock that every start and end of a container needs.
    pub fn remove_if_empty(&self) {
        let directories: Vec<_> = self.directories().collect();
        let is_used = |directory: &PathBuf| rustix::fs::stat(directory).is_ok_and(|stat| stat.st_nlink > 2);
        if directories.first().is_some_and(is_used) {
            return;
        }
        for directory in directories {
            let _ = rustix::fs::rmdir(&directory);
        }
    }

    fn remove_directory(&self, directory: &Path, deadline: Instant, killed: &mut bool) -> Result<()> {
        loop {
            match rustix::fs::rmdir(directory) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => return Ok(()),
                Err(rustix::io::Errno::BUSY) if Instant::now() < deadline => {
                    if !*killed {
                        self.kill_until(deadline);
                        *killed = true;
                    }
                    for below in subtree(directory.to_owned()).skip(1).collect::<Vec<_>>().iter().rev() {
                        // A failure shows when the directory above is removed, which is tried again.
                        let _ = rustix::fs::rmdir(below);
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(errno) => {
                    let errno = Errno::from_raw(errno.raw_os_error());
                    return Err(Error::Call { action: "remove", path: directory.to_owned(), errno });
                }
            }
        }
    }

    pub(super) fn memory_usage(&self) -> Option<u64> {
        let file = match &self.layout {
            Layout::V2 { mount } => mount.join(&self.path).join("memory.current"),
            Layout::V1 { hierarchies, .. } => {
                find(hierarchies, "memory")?.mount.join(&self.path).join("memory.usage_in_bytes")
            }
        };
        files::read(&file).ok()?.trim().parse().ok()
    }

    /// Moves the container's processes into its new cgroup in a hierarchy. A process forked meanwhile is in the old
    /// cgroup or in the new one, so this repeats until none is left in the old one.
    pub(super) fn populate(&self, directory: &Path) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let there = read_pids(directory);
            let missing: Vec<i32> = self.pids().into_iter().filter(|pid| !there.contains(pid)).collect();
            if missing.is_empty() {
                return Ok(());
            }
            for pid in missing {
                match files::write(&directory.join("cgroup.procs"), &pid.to_string()) {
                    // It has ended.
                    Err(Error::Write { errno: Errno::ESRCH, .. }) => {}
                    moved => moved?,
                }
            }
            if Instant::now() >= deadline {
                let why = format!("the processes could not all be moved into {}", directory.display());
                return Err(Error::Invalid(why));
            }
        }
    }
}

fn read_pids(directory: &Path) -> Vec<i32> {
    let text = files::read(&directory.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A directory and those below it, each before what is in it.
pub(super) fn subtree(top: PathBuf) -> impl Iterator<Item = PathBuf> {
    let mut waiting = vec![top];
    std::iter::from_fn(move || {
        let directory = waiting.pop()?;
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(entry.path());
            }
        }
        Some(directory)
    })
}
