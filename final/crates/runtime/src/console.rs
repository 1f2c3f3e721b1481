//! A terminal from the container's own devpts, so that `tty` and `ps` inside know its name.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::pty::OpenptFlags;

use crate::error::{Error, Result, Step};
use crate::stdio::Stdio;

/// linux/magic.h.
const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;

/// The two ends.
pub(crate) struct Console {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

/// /dev of the current root, as an O_PATH descriptor: opening what a container has put there could block forever.
pub(crate) fn dev() -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open("/dev", flags, Mode::empty()).step(|| "open /dev".into())
}

/// Opens a terminal in the devpts below `dev`. Only the kernel makes files in a devpts, so `ptmx` on a mount that was
/// checked to be one is genuine. A device that somebody put at this path is not opened.
pub(crate) fn open(dev: impl AsFd, size: Option<(u16, u16)>, stdio: &Stdio) -> Result<Console> {
    let step = || "open a terminal in the container's /dev/pts".to_owned();
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let pts = hull_sys::fs::openat2(dev, "pts", flags, Mode::empty(), resolve).step(step)?;
    if rustix::fs::fstatfs(&pts).step(step)?.f_type as u64 != DEVPTS_SUPER_MAGIC {
        return Err(Error::Step { step: step(), errno: Errno::ENODEV });
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
    let resolve = resolve | ResolveFlags::NO_XDEV;
    let master = hull_sys::fs::openat2(&pts, "ptmx", flags, Mode::empty(), resolve).step(step)?;
    rustix::pty::unlockpt(&master).step(step)?;
    // By descriptor (TIOCGPTPEER, Linux 4.13): a path could lead somewhere else by the time it is opened.
    let slave = rustix::pty::ioctl_tiocgptpeer(
        &master,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )
    .step(step)?;
    rustix::io::ioctl_fionbio(&master, false).step(step)?;
    if matches!(stdio, Stdio::PlainTerminal) {
        // The setting belongs to the slave, whichever end it is set on (pty(7)). It is made before anything is printed.
        let mut modes = rustix::termios::tcgetattr(&slave).step(step)?;
        modes.output_modes &= !rustix::termios::OutputModes::ONLCR;
        rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &modes).step(step)?;
    }
    if let Some((rows, columns)) = size {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&master, size).step(step)?;
    }
    Ok(Console { master, slave })
}

/// The slave becomes stdin, stdout and stderr.
pub(crate) fn install(slave: &OwnedFd, uid: u32) -> Result<()> {
    let step = || "make the terminal ours".to_owned();
    rustix::fs::fchown(slave, Some(rustix::fs::Uid::from_raw(uid)), None).step(step)?;
    rustix::stdio::dup2_stdin(slave)
        .and_then(|()| rustix::stdio::dup2_stdout(slave))
        .and_then(|()| rustix::stdio::dup2_stderr(slave))
        .step(step)
}

/// In the session leader: the installed terminal becomes the controlling one. It is hung up when this process ends.
pub(crate) fn control() -> Result<()> {
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).step(|| "make the terminal ours".into())
}
