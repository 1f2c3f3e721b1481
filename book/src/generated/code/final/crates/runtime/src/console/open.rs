/// Opens a terminal in the devpts at `dev`/pts. The mount is checked to be a devpts: only the kernel makes files in one, so
/// its `ptmx` is genuine, while a device node at this path could be any device.
pub(crate) fn open(dev: impl AsFd, size: Option<(u16, u16)>, stdio: &Stdio) -> Result<Console> {
    let step = || "open a terminal in the container's /dev/pts".to_owned();
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let pts = hull_sys::fs::openat2(dev, "pts", flags, Mode::empty(), resolve).step(step)?;
    if magic::file_system_of(&pts).step(step)? != magic::DEVPTS {
        return Err(Error::Step { step: step(), errno: Errno::ENODEV });
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
    let resolve = resolve | ResolveFlags::NO_XDEV;
    let master = hull_sys::fs::openat2(&pts, "ptmx", flags, Mode::empty(), resolve).step(step)?;
    rustix::pty::unlockpt(&master).step(step)?;
    // By descriptor (TIOCGPTPEER, Linux 4.13), because the file at the slave's path may be another one by now.
    let slave = rustix::pty::ioctl_tiocgptpeer(
        &master,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )
    .step(step)?;
    rustix::io::ioctl_fionbio(&master, false).step(step)?;
    if matches!(stdio, Stdio::PlainTerminal) {
        // Set before anything is printed. Master and slave share these settings (pty(7)).
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
