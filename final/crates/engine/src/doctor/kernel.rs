//! Namespaces, system calls and filters.

use hull_sys::mount::{clone_tree, enter_slave_namespace, set_attributes};
use hull_sys::security::{Instruction, load_filter, load_filter_with_listener};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Mode, OFlags};

use super::reason::text;
use super::{Attempt, Check, Need, Patient, Tried};

const CONFIG: &str = "a kernel that is built with it; every distribution's own kernel is";

pub(super) const NAMESPACES: &[Check] = &[
    namespace("mount", "every container has a file system of its own", |_| {
        enter_slave_namespace().map_err(text)
    }),
    namespace("pid", "every container has processes of its own", |_| unshared(CloneFlags::CLONE_NEWPID)),
    namespace("network", "every container without --network host", |_| unshared(CloneFlags::CLONE_NEWNET)),
    namespace("ipc", "every container without --ipc host", |_| unshared(CloneFlags::CLONE_NEWIPC)),
    namespace("uts", "every container has a name of its own", |_| unshared(CloneFlags::CLONE_NEWUTS)),
    Check {
        name: "cgroup",
        need: Need::Nobody,
        purpose: "--cgroupns private, and systemd as a container's init",
        fix: CONFIG,
        attempt: Attempt::Privileged(|_| unshared(CloneFlags::CLONE_NEWCGROUP)),
    },
    Check {
        name: "user",
        need: Need::Nobody,
        purpose: "--system, hull launch and --userns: the container's root is nobody on the host",
        fix: "sysctl user.max_user_namespaces=15000",
        attempt: Attempt::Plain(|_| crate::rootless::enter_with_one_id()),
    },
    Check {
        name: "user of an unprivileged user",
        need: Need::User,
        purpose: "containers of unprivileged users",
        fix: "sysctl user.max_user_namespaces=15000; on Debian kernel.unprivileged_userns_clone=1, on Ubuntu \
              kernel.apparmor_restrict_unprivileged_userns=0",
        attempt: Attempt::Plain(|_| as_nobody().and_then(|()| crate::rootless::enter_with_one_id())),
    },
    Check {
        name: "time",
        need: Need::Nobody,
        purpose: "hull-oci, for bundles that shift the monotonic clock",
        fix: "Linux 5.6, built with CONFIG_TIME_NS",
        attempt: Attempt::Privileged(|_| unshared(CloneFlags::from_bits_retain(libc::CLONE_NEWTIME))),
    },
];

const fn namespace(name: &'static str, purpose: &'static str, attempt: fn(&Patient) -> Tried) -> Check {
    Check { name, need: Need::Everybody, purpose, fix: CONFIG, attempt: Attempt::Privileged(attempt) }
}

fn unshared(flags: CloneFlags) -> Tried {
    unshare(flags).map_err(text)
}

/// Becomes a user without privileges, if this process has any.
fn as_nobody() -> Tried {
    const NOBODY: u32 = 65534;
    if !crate::rootless::is_root() {
        return Ok(());
    }
    nix::unistd::setgroups(&[]).map_err(text)?;
    nix::unistd::setresgid(NOBODY.into(), NOBODY.into(), NOBODY.into()).map_err(text)?;
    nix::unistd::setresuid(NOBODY.into(), NOBODY.into(), NOBODY.into()).map_err(text)?;
    // A process that has changed its user is not dumpable, and its files in /proc belong to root (proc(5)).
    hull_sys::process::set_dumpable(true).map_err(text)
}

pub(super) const CALLS: &[Check] = &[
    Check {
        name: "openat2",
        need: Need::Everybody,
        purpose: "paths inside of containers cannot lead out of them",
        fix: "Linux 5.6",
        attempt: Attempt::Plain(|_| {
            let root = rustix::fs::open("/", OFlags::PATH, Mode::empty()).map_err(text)?;
            let found = hull_sys::fs::open_in_root(&root, std::path::Path::new("proc"), OFlags::PATH);
            found.map(drop).map_err(text)
        }),
    },
    Check {
        name: "pidfd",
        need: Need::Everybody,
        purpose: "no signal reaches another process that got the same number",
        fix: "Linux 5.3",
        attempt: Attempt::Plain(|_| {
            let own = rustix::process::getpid().as_raw_nonzero().get();
            hull_sys::process::pidfd_open(own).map(drop).map_err(text)
        }),
    },
    Check {
        name: "mounts by descriptor",
        need: Need::Everybody,
        purpose: "volumes and bind mounts cannot be moved while they are mounted",
        fix: "Linux 5.12",
        attempt: Attempt::Privileged(|_| {
            enter_slave_namespace().map_err(text)?;
            let root = rustix::fs::open("/proc", OFlags::PATH, Mode::empty()).map_err(text)?;
            let tree = clone_tree(&root, c"", false).map_err(text)?;
            set_attributes(&tree, libc::MOUNT_ATTR_RDONLY, 0, 0, false).map_err(text)
        }),
    },
    Check {
        name: "seccomp filters",
        need: Need::Everybody,
        purpose: "every container without --security-opt seccomp=unconfined",
        fix: "a kernel that is built with CONFIG_SECCOMP_FILTER",
        attempt: Attempt::Plain(|_| {
            no_new_privileges().and_then(|()| load_filter(&allow(), 0).map_err(text))
        }),
    },
    Check {
        name: "seccomp notification",
        need: Need::Nobody,
        purpose: "hull-oci, for bundles with a seccomp agent",
        fix: "Linux 5.0, and no other filter that notifies around it",
        attempt: Attempt::Plain(|_| {
            no_new_privileges()?;
            load_filter_with_listener(&allow(), 0).map(drop).map_err(text)
        }),
    },
];

/// A process without privileges loads filters only if it can gain none (seccomp(2)).
fn no_new_privileges() -> Tried {
    hull_sys::process::set_no_new_privileges().map_err(text)
}

/// BPF_RET | BPF_K with SECCOMP_RET_ALLOW.
fn allow() -> [Instruction; 1] {
    [Instruction { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW }]
}
