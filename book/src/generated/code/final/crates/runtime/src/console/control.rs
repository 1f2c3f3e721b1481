/// Called in the session leader: makes the installed terminal its controlling terminal, which is hung up when it ends.
pub(crate) fn control() -> Result<()> {
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).step(|| "make the terminal ours".into())
}
