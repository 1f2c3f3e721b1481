/// Makes the slave stdin, stdout and stderr, and gives it to the program's user.
pub(crate) fn install(slave: &OwnedFd, uid: u32) -> Result<()> {
    let step = || "make the terminal ours".to_owned();
    rustix::fs::fchown(slave, Some(rustix::fs::Uid::from_raw(uid)), None).step(step)?;
    rustix::stdio::dup2_stdin(slave)
        .and_then(|()| rustix::stdio::dup2_stdout(slave))
        .and_then(|()| rustix::stdio::dup2_stderr(slave))
        .step(step)
}
