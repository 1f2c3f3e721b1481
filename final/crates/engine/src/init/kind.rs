//! Which init a container runs, and how this init is told to end the system.
//!
//! The path `/sbin/init` does not tell: it may be a symlink to systemd, busybox or runit, or the file of sysvinit. The
//! name of the file that it leads to tells.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::libc;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::error::{IoContext, Result};
use crate::records::halt::Halt;

/// The kinds of init, which are told in different ways to end the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Init {
    Systemd,
    Busybox,
    OpenRc,
    /// sysvinit and runit take orders by the command `init`: sysvinit has no signal for them, and runit's
    /// needs a file in addition.
    ByCommand,
    Other,
}

impl Init {
    /// `program` is the path that is executed, and `file` the name of the file that this path leads to.
    fn of(program: &Path, file: &OsStr, has_inittab: bool) -> Option<Self> {
        let is_called_init = program.file_name() == Some(OsStr::new("init"));
        match file.to_str() {
            Some("systemd") => Some(Self::Systemd),
            Some("busybox") if is_called_init => Some(Self::Busybox),
            Some("openrc-init") => Some(Self::OpenRc),
            Some("runit-init" | "runit") => Some(Self::ByCommand),
            Some("init") if has_inittab => Some(Self::ByCommand),
            _ if is_called_init => Some(Self::Other),
            _ => None,
        }
    }

    fn halt(self, program: &Path) -> Halt {
        match self {
            // systemd(1), "Signals": starts halt.target.
            Self::Systemd => Halt::Signal(libc::SIGRTMIN() + 3),
            // init/init.c of busybox: powers off.
            Self::Busybox => Halt::Signal(libc::SIGUSR2),
            // openrc-init(8): shuts down.
            Self::OpenRc => Halt::Signal(libc::SIGTERM),
            // init(8) of both: changes to runlevel 0.
            Self::ByCommand => Halt::Run(vec![program.display().to_string(), "0".into()]),
            // lxc.container.conf(5), "HALT SIGNAL": what LXC sends where it does not know the init.
            Self::Other => Halt::Signal(libc::SIGPWR),
        }
    }
}

/// How the program at `program` in a mounted root ends the system. `None` if it is no init.
pub(crate) fn halt_of(rootfs: &Path, program: &Path) -> Result<Option<Halt>> {
    let root = rustix::fs::open(rootfs, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .context(|| format!("open {}", rootfs.display()))?;
    // The start itself says what is wrong with a program that cannot be opened.
    let Ok(found) = find(&root, program) else { return Ok(None) };
    let path = rustix::fs::readlink(hull_sys::fs::fd_path(&found), Vec::new())
        .context(|| format!("find out which file {} is", program.display()))?;
    let path = Path::new(OsStr::new(path.to_str().unwrap_or_default())).to_owned();
    let has_inittab = find(&root, Path::new("/etc/inittab")).is_ok();
    let init = Init::of(program, path.file_name().unwrap_or_default(), has_inittab);
    Ok(init.map(|init| init.halt(program)))
}

/// Opens a path beneath the root. Its symlinks come from an image and are not trusted, so they cannot lead out of the
/// root.
fn find(root: impl AsFd, path: &Path) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    hull_sys::fs::openat2(root, path, OFlags::PATH, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn halt(links: &[(&str, &str)], files: &[&str], program: &str) -> Option<Halt> {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for (name, target) in links {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        }
        halt_of(root.path(), Path::new(program)).unwrap()
    }

    #[test]
    fn an_init_is_known_by_the_file_behind_its_path() {
        let at = |target, file| halt(&[("sbin/init", target)], &[file], "/sbin/init");
        let signal = |number| Some(Halt::Signal(number));
        assert_eq!(at("/lib/systemd/systemd", "lib/systemd/systemd"), signal(libc::SIGRTMIN() + 3));
        assert_eq!(at("../bin/busybox", "bin/busybox"), signal(libc::SIGUSR2));
        assert_eq!(at("openrc-init", "sbin/openrc-init"), signal(libc::SIGTERM));
        let by_command = Some(Halt::Run(vec!["/sbin/init".into(), "0".into()]));
        assert_eq!(at("/lib/runit/runit-init", "lib/runit/runit-init"), by_command);
        assert_eq!(halt(&[], &["sbin/init", "etc/inittab"], "/sbin/init"), by_command);
        assert_eq!(halt(&[], &["sbin/init"], "/sbin/init"), signal(libc::SIGPWR));
    }

    #[test]
    fn another_program_is_no_init() {
        assert_eq!(halt(&[("bin/sh", "busybox")], &["bin/busybox"], "/bin/sh"), None);
        assert_eq!(halt(&[], &["bin/bash"], "/bin/bash"), None);
        assert_eq!(halt(&[], &[], "/sbin/init"), None);
    }

    #[test]
    fn a_link_stays_in_the_root() {
        // On this machine the path leads to a file, and in the root to nothing.
        assert_eq!(halt(&[("sbin/init", "/proc/self/exe")], &[], "/sbin/init"), None);
    }
}
