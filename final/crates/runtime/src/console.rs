//! A terminal from the container's own devpts, so that `tty` and `ps` inside know its name.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;

use crate::error::{Error, Result, Step};

/// The two ends, and the slave's path in the container.
pub(crate) struct Console {
    pub master: OwnedFd,
    pub slave: OwnedFd,
    pub path: PathBuf,
}

/// Opens one below `dev`. What a hostile container put in the place of ptmx is recognised by its device number.
pub(crate) fn open(dev: impl AsFd, size: Option<(u16, u16)>) -> Result<Console> {
    let step = || "open a terminal in the container's /dev/pts".to_owned();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = rustix::fs::ResolveFlags::BENEATH | rustix::fs::ResolveFlags::NO_SYMLINKS;
    let master = rustix::fs::openat2(dev, "pts/ptmx", flags, Mode::empty(), resolve).step(step)?;
    let stat = rustix::fs::fstat(&master).step(step)?;
    let is_ptmx = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_char_device()
        && (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (5, 2);
    if !is_ptmx {
        return Err(Error::Step { step: step(), errno: Errno::ENODEV });
    }
    rustix::pty::unlockpt(&master).step(step)?;
    // By descriptor (TIOCGPTPEER, Linux 4.13): a path could lead somewhere else by the time it is opened.
    let slave = rustix::pty::ioctl_tiocgptpeer(
        &master,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )
    .step(step)?;
    let name = rustix::pty::ptsname(&master, Vec::new()).step(step)?;
    rustix::io::ioctl_fionbio(&master, false).step(step)?;
    if let Some((rows, columns)) = size {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&master, size).step(step)?;
    }
    Ok(Console { master, slave, path: Path::new(&*name.to_string_lossy()).to_owned() })
}

/// In the session leader: the slave becomes the controlling terminal and stdin, stdout and stderr.
pub(crate) fn install(slave: &OwnedFd, uid: u32) -> Result<()> {
    let step = || "make the terminal ours".to_owned();
    rustix::fs::fchown(slave, Some(rustix::fs::Uid::from_raw(uid)), None).step(step)?;
    rustix::process::ioctl_tiocsctty(slave).step(step)?;
    rustix::stdio::dup2_stdin(slave)
        .and_then(|()| rustix::stdio::dup2_stdout(slave))
        .and_then(|()| rustix::stdio::dup2_stderr(slave))
        .step(step)
}
