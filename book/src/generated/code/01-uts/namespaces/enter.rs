/// Joins every namespace of `pid` that is not ours already.
/// This is `nsenter`, and the heart of `docker exec`: a container is no object that one could be put into.
/// There are labels, and one takes on those of a process that has them.
pub fn enter(pid: i32) -> Result<()> {
    // SAFETY: no pointers, and the answer is checked.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // By descriptor and not by number: a number could be another process's by the time of the setns.
    let pidfd = Errno::result(pidfd).with_context(|| format!("pidfd_open({pid})"))?;
    // SAFETY: the kernel has just given it to us, and nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
    // The same descriptor could also wait for the process, or kill it: it means this one and never a later one
    // of its number.
    let mut flags = CloneFlags::empty();
    // Two links that read the same are one namespace.
    for (kind, flag) in KINDS {
        let theirs = link(&pid.to_string(), kind)
            .context("hint: to look at a process so closely one has to be its user, or root")
            .with_context(|| format!("readlink(/proc/{pid}/ns/{kind})"))?;
        // setns into the user namespace one is in already is EINVAL.
        if Some(theirs) != link("self", kind).ok() {
            flags |= CloneFlags::from_bits_retain(flag);
        }
    }
    if flags.is_empty() {
        return Err(anyhow::anyhow!("process {pid} has no namespace that is not yours too"))
            .context("hint: the number of the process inside is what clone returned: see run -v");
    }
    // All at once: the kernel takes the user namespace first, so that its powers count for the others (setns(2)).
    nix::sched::setns(&pidfd, flags).with_context(|| format!("setns({pid}, {})", names(flags)))?;
    report::trace(format!("setns({pid}, {})", names(flags)));
    Ok(())
}
