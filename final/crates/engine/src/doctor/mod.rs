//! `doctor`: what this machine's kernel and programs can do, what each feature is needed for, and how to get what is
//! missing.
//!
//! ```text
//! mod         checks and findings                 probe        trying in a child process
//! kernel      namespaces, system calls, seccomp   cgroups      hierarchies and controllers
//! filesystems overlay, idmapped mounts, pools     network      links, nftables, tun
//! users       ids, and programs that map them     programs     programs that hull runs, and lxcfs
//! reason      the text of the kernel's errors
//! ```
//! A check tries what a container would do, in a child process. Its namespaces and mounts end with it, so nothing is
//! left behind. The kernel's configuration would say less: a module may be missing, and a container or a security
//! module may forbid what the kernel could do.

mod cgroups;
mod filesystems;
mod kernel;
mod network;
mod probe;
mod programs;
mod reason;
mod users;

use std::path::PathBuf;

use hull_network::netlink::Socket;
use serde::Serialize;

use crate::search_path::SearchPath;

/// The settings of the machine and the user that are examined.
#[derive(Debug)]
pub struct Patient {
    pub programs: SearchPath,
    /// The directory of images and containers. It need not exist.
    pub data: PathBuf,
}

/// The containers that cannot work without a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Every container.
    Everybody,
    /// Containers of root.
    Root,
    /// Containers of an unprivileged user.
    User,
    /// No container: only options that ask for the feature need it, or what uses it also works without it.
    Nobody,
}

impl Need {
    fn is_ours(self) -> bool {
        match self {
            Self::Everybody => true,
            Self::Root => crate::rootless::is_root(),
            Self::User => !crate::rootless::is_root(),
            Self::Nobody => false,
        }
    }
}

/// The outcome of an attempt. The error says why the feature does not work.
type Tried = Result<(), String>;

/// One thing to try.
struct Check {
    name: &'static str,
    need: Need,
    /// What the feature is needed for.
    purpose: &'static str,
    /// How to get the feature.
    fix: &'static str,
    attempt: Attempt,
}

#[derive(Clone, Copy)]
enum Attempt {
    /// In a child that has all capabilities: root's, or those of a user namespace of its own.
    Privileged(fn(&Patient) -> Tried),
    /// In a child with the privileges of the caller.
    Plain(fn(&Patient) -> Tried),
    /// The same. The function gets the name of the check.
    Named(fn(&str) -> Tried),
    /// In a network namespace of a privileged child.
    Link(fn(&mut Socket) -> Tried),
    /// Whether the search path has the program of this name.
    Program,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub group: &'static str,
    pub name: String,
    pub works: bool,
    /// Whether this user's containers need it.
    pub needed: bool,
    pub purpose: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<&'static str>,
}

impl Finding {
    pub fn is_needed_and_missing(&self) -> bool {
        self.needed && !self.works
    }
}

/// Tries everything, one after the other.
pub fn examine(patient: &Patient) -> Vec<Finding> {
    let groups = [
        ("namespaces", kernel::NAMESPACES),
        ("system calls", kernel::CALLS),
        ("cgroups", cgroups::CHECKS),
        ("file systems", filesystems::CHECKS),
        ("network", network::CHECKS),
        ("users", users::CHECKS),
        ("programs", programs::CHECKS),
    ];
    let mut findings = Vec::new();
    for (group, checks) in groups {
        findings.extend(checks.iter().map(|check| finding(group, check, patient)));
    }
    findings
}

fn finding(group: &'static str, check: &Check, patient: &Patient) -> Finding {
    let tried = probe::attempt(check, patient);
    Finding {
        group,
        name: check.name.to_owned(),
        works: tried.is_ok(),
        needed: check.need.is_ours(),
        purpose: check.purpose,
        fix: tried.is_err().then_some(check.fix),
        why: tried.err(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use hull_sys::process::{Fork, exit_now};

    use super::*;

    /// Runs in a child with one thread, because an attempt forks.
    #[test]
    fn a_check_that_fails_is_a_finding_with_its_reason_and_its_fix() {
        match hull_sys::testing::fork().unwrap() {
            Fork::Child => exit_now(i32::from(std::panic::catch_unwind(findings).is_err())),
            Fork::Parent { pid } => {
                let child = hull_sys::process::pidfd_open(pid).unwrap();
                assert_eq!(hull_sys::process::reap(child.as_fd()).unwrap(), 0);
            }
        }
    }

    fn findings() {
        let patient = Patient { programs: SearchPath::default(), data: "/nothing".into() };
        let check = |attempt| Check { name: "x", need: Need::Everybody, purpose: "y", fix: "z", attempt };
        let failed = finding("g", &check(Attempt::Plain(|_| Err("broken".into()))), &patient);
        assert_eq!(
            (failed.why.as_deref(), failed.fix, failed.is_needed_and_missing()),
            (Some("broken"), Some("z"), true)
        );
        let works = finding("g", &check(Attempt::Plain(|_| Ok(()))), &patient);
        assert_eq!((works.why, works.fix, works.works), (None, None, true));
        // What a check does to its process stays in it.
        let gone = finding("g", &check(Attempt::Plain(|_| exit_now(3))), &patient);
        assert!(!gone.works && gone.why.unwrap().contains("ended"));
    }

    #[test]
    fn every_check_says_what_it_is_for_and_how_to_get_it() {
        let all = [
            kernel::NAMESPACES,
            kernel::CALLS,
            cgroups::CHECKS,
            filesystems::CHECKS,
            network::CHECKS,
            users::CHECKS,
            programs::CHECKS,
        ];
        for check in all.iter().copied().flatten() {
            assert!(!check.purpose.is_empty() && !check.fix.is_empty(), "{}", check.name);
            assert!(!check.fix.ends_with('.') && !check.purpose.ends_with('.'), "{}", check.name);
        }
    }
}
