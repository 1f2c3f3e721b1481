//! System containers (`--system`), whose first process is the init of a distribution.
//!
//! ```text
//! preset        the options that the caller has left open
//! policy.json   the system calls that are refused      refused  the policy, for keys that change it
//! kind          which init runs, and how it is told to end the system
//! identity      machine-id and host name               views    files of /proc, by lxcfs
//! templates     files that an image of LXD's makes     files    writes all of these beneath the root
//! ```
//! Everything else in the engine sees plain options, as if the user had given each of them.

pub(crate) mod files;
pub(crate) mod identity;
mod kind;
mod preset;
mod refused;
pub(crate) mod templates;
pub(crate) mod views;

pub(crate) use kind::halt_of;
pub(crate) use preset::{apply, host_name};
pub(crate) use refused::{forget_identity, refused_syscalls, seccomp};

use nix::libc;

use crate::records::state::Exit;

/// The exit code after a reboot. If a process of a pid namespace calls reboot(2), the kernel ends the namespace's first
/// process: with SIGHUP for a restart, and with SIGINT for a halt or a power off.
const REBOOT: u8 = 128 + libc::SIGHUP as u8;
/// The exit code after a halt or a power off.
const HALT: u8 = 128 + libc::SIGINT as u8;

/// Whether the container has restarted itself.
pub(crate) fn has_rebooted(exit: &Exit) -> bool {
    exit.code == REBOOT
}

/// Whether the container has turned itself off.
pub(crate) fn has_halted(exit: &Exit) -> bool {
    exit.code == HALT
}
