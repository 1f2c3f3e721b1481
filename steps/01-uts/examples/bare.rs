//! The whole idea in three calls: unshare, sethostname, exec. Try: `cargo run -p step-01-uts --example step-01-bare`
//!
//! It works without root: the new user namespace gives this process the capabilities it needs. Two things are missing.
//! `id` inside says nobody, because no id map has been written, and nobody is left to clean up when the shell ends.
//! Both need a second process, which stays outside: see src/main.rs.

use std::os::unix::process::CommandExt;

use nix::sched::{CloneFlags, unshare};

fn main() -> anyhow::Result<()> {
    // The kernel creates the user namespace first, and makes it the owner of the UTS namespace of the same call.
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS)?;
    // Changes the name in the new namespace. Without CLONE_NEWUTS above it fails with EPERM, or, for root, renames
    // the machine.
    nix::unistd::sethostname("bare")?;
    // Executes the shell in this process, which keeps its namespaces.
    Err(std::process::Command::new("/bin/sh").exec().into())
}
