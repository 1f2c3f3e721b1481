// The whole idea: four directories and one mount. Try it, without root, in an empty directory:
// `cargo build -p step-04-overlay --example bare-04`, then `…/target/*/debug/examples/bare-04`.
//
// It starts a shell in merged. Change a file there, leave the shell, and look into lower and upper.
// Nothing has to be unmounted, because the mount ends with its namespace.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

fn main() -> anyhow::Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    // A mount takes root, and root of a new user namespace may mount in a new mount namespace.
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir_all(name)?;
    }
    fs::write("lower/page", "from below\n")?;
    let options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr";
    mount(Some("overlay"), "merged", Some("overlay"), MsFlags::empty(), Some(options))?;
    Err(Command::new("/bin/sh").current_dir("merged").exec().into())
}
