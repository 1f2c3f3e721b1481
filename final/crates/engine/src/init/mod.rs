//! What the init of a distribution needs as the first process: the options of a system container (`--system`).
//!
//! ```text
//! preset        the options, where the caller gave none
//! policy.json   the system calls that are refused      refused  the same, for those that change it
//! kind          which init it is, and how it is told to end the system
//! identity      machine-id and host name               views    files of /proc, by lxcfs
//! ```
//! Everything else in the engine sees plain options, as if the user had given each of them.

pub(crate) mod identity;
mod kind;
mod preset;
mod refused;
pub(crate) mod views;

pub(crate) use kind::halt_of;
pub(crate) use preset::{apply, host_name};
pub(crate) use refused::{forget_identity, refused_syscalls, seccomp};

use nix::libc;

use crate::records::state::Exit;

/// How the kernel ends the first process of a pid namespace whose processes call reboot(2): with SIGHUP for a restart, and
/// with SIGINT for a halt and for power off.
const REBOOT: u8 = 128 + libc::SIGHUP as u8;
const HALT: u8 = 128 + libc::SIGINT as u8;

/// Whether the container has restarted itself.
pub(crate) fn has_rebooted(exit: &Exit) -> bool {
    exit.code == REBOOT
}

/// Whether the container has ended itself, to stay so: a user inside has turned it off.
pub(crate) fn has_halted(exit: &Exit) -> bool {
    exit.code == HALT
}
