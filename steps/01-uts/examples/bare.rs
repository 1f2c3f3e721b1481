//! The whole idea in three calls: unshare, sethostname, exec. Try: `cargo run -p step-01-uts --example bare`
//!
//! It works as yourself too: a new user namespace comes along, and in it this process may do what root may. But inside,
//! `id` says nobody, since no one has written down which user you are in there; and when the shell ends nobody is left
//! to clean up. That takes a second process, on the outside: src/main.rs.

use std::os::unix::process::CommandExt;

use nix::sched::{CloneFlags, unshare};

fn main() -> anyhow::Result<()> {
    // The user namespace first: the kernel makes it the owner of the UTS namespace of the same call.
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS)?;
    // Changes the name in the new namespace. Without CLONE_NEWUTS above: EPERM, or, as root, a renamed machine.
    nix::unistd::sethostname("bare")?;
    // Becomes the shell: the namespaces are the process's, so they stay.
    Err(std::process::Command::new("/bin/sh").exec().into())
}
