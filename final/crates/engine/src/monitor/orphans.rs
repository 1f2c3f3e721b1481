//! What a killed child has left behind: the program of its health check. It has become the monitor's own child
//! (PR_SET_CHILD_SUBREAPER(2const)), and until it is reaped the container's first process cannot end (pid_namespaces(7)).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use hull_sys::process;
use rustix::process::{Pid, getsid};

#[derive(Default)]
pub(super) struct Orphans {
    all: Vec<(i32, OwnedFd)>,
    /// The container's first process and the child that was killed last.
    lost: Option<(i32, i32)>,
}

impl Orphans {
    /// Kills what is left of a child that was killed: the program that it has told, or if it had no time to tell, what is
    /// in its session or in a pid namespace below.
    pub(super) fn adopt(&mut self, init: i32, child: i32, told: Option<i32>) {
        self.lost = Some((init, child));
        told.into_iter().for_each(|pid| self.add(pid));
        self.search();
    }

    fn search(&mut self) {
        let Some((init, child)) = self.lost else { return };
        // Without the file (CONFIG_PROC_CHILDREN) only the program is known that the child has told.
        let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        for pid in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let is_in_session = || getsid(Pid::from_raw(pid)).ok() == Pid::from_raw(child);
            if pid != init && (is_in_session() || is_in_namespace_below(pid)) {
                self.add(pid);
            }
        }
    }

    fn add(&mut self, pid: i32) {
        // A child's pid is not used again before it is reaped.
        if self.all.iter().any(|(known, _)| *known == pid) || !process::is_child(pid) {
            return;
        }
        if let Ok(pidfd) = process::pidfd_open(pid) {
            let _ = process::pidfd_send_signal(pidfd.as_fd(), nix::libc::SIGKILL);
            self.all.push((pid, pidfd));
        }
    }

    /// Reaps those that have ended.
    pub(super) fn reap(&mut self) {
        let before = self.all.len();
        self.all.retain(|(_, pidfd)| {
            let has_ended = hull_sys::wait::until_readable(pidfd, Some(Duration::ZERO)).unwrap_or(false);
            !(has_ended && process::reap(pidfd.as_fd()).is_ok())
        });
        // One may have cloned another before it died.
        if self.all.len() < before {
            self.search();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// To poll.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.all.iter().map(|(_, pidfd)| pidfd.as_fd())
    }
}

/// `NSpid` has the pid in each namespace from that of the caller's procfs on (proc_pid_status(5)), for a zombie too.
fn is_in_namespace_below(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    pids.is_some_and(|pids| pids.split_whitespace().count() > 1)
}
