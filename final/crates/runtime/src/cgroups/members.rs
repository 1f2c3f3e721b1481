//! Who is in a cgroup, and its end. A container that is given its cgroups for itself makes others below them: their
//! processes are its own too.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::layout::{Layout, find};
use super::{Cgroup, Error, PATIENCE, Result, files};
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

    /// Kills everything in it and waits, a bounded time, until it is empty.
    pub fn kill_all(&self) -> Result<()> {
        self.kill_until(Instant::now() + PATIENCE);
        Ok(())
    }

    fn kill_until(&self, deadline: Instant) {
        let mut by_kernel =
            self.directories().any(|directory| files::write(&directory.join("cgroup.kill"), "1").is_ok());
        loop {
            // A frozen process of v1 dies only when thawed, and another may freeze it meanwhile.
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

    /// Also the cgroups below, each of which is frozen or not by itself. From the top: a cgroup stays frozen as long as
    /// one above it is.
    fn thaw_all(&self) {
        let (file, value) = match &self.layout {
            Layout::V2 { .. } => ("cgroup.freeze", "0"),
            Layout::V1 { .. } => ("freezer.state", "THAWED"),
        };
        for directory in self.freezer().into_iter().flat_map(subtree) {
            // What is gone needs no thawing, and what cannot be thawed is found by who waits for its end.
            let _ = files::write(&directory.join(file), value);
        }
    }

    /// Removes it everywhere; what still runs in it is killed first. One that is not there is removed already.
    pub fn remove(&self) -> Result<()> {
        // One for all hierarchies: a process that does not die would be waited for in each of them.
        let deadline = Instant::now() + PATIENCE;
        let (mut first, mut killed) = (Ok(()), false);
        for directory in self.directories() {
            let removed = self.remove_directory(&directory, deadline, &mut killed);
            if first.is_ok() {
                first = removed;
            }
        }
        // Only then: systemd would ask what runs to end, and wait.
        let forgotten = self.unit.as_ref().map_or(Ok(()), Unit::stop);
        first.and(Ok(forgotten?))
    }

    /// Removes it where it is empty. What is in use stays.
    ///
    /// In one hierarchy it is looked first whether cgroups are below: the kernel refuses to remove such a one only after it
    /// has taken the lock that every start and end of a container needs. A directory has a link from each one in it.
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
                        // It is tried again, and what stays makes the cgroup above it stay.
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

    /// Puts the container's processes into a hierarchy that it was not in so far. What forks meanwhile is born on the
    /// old side or on the new one: it is over when nobody is left on the old one.
    pub(super) fn populate(&self, directory: &Path) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
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
fn subtree(top: PathBuf) -> impl Iterator<Item = PathBuf> {
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
