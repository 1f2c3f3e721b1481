/// Joins every namespace of `pid` that this process is not in already. `nsenter` does the same, and
/// so does `docker exec`. The kernel does not know containers. It knows processes and the namespaces
/// that they are in, and a process can join the namespaces of another one.
pub fn enter(pid: i32) -> Result<()> {
    // SAFETY: no pointers, and the answer is checked.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // Use a descriptor, because the pid could belong to another process when setns is called.
    let pidfd = Errno::result(pidfd).with_context(|| format!("pidfd_open({pid})"))?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
    // A pidfd always refers to this process, never to a later one with the same pid. It can also be
    // used to wait for the process or to signal it.
    let mut flags = CloneFlags::empty();
    // Two processes share a namespace if their links have the same text.
    for (kind, flag) in KINDS {
        let theirs = link(&pid.to_string(), kind)
            .context("hint: only the user of a process, and root, may look at its namespaces")
            .with_context(|| format!("readlink(/proc/{pid}/ns/{kind})"))?;
        // setns(2) fails with EINVAL if the caller is already in that user namespace.
        if Some(theirs) != link("self", kind).ok() {
            flags |= CloneFlags::from_bits_retain(flag);
        }
    }
    if flags.is_empty() {
        return Err(anyhow::anyhow!("process {pid} is in the same namespaces as this one"))
            .context("hint: the pid of the process inside is what clone returned: see run -v");
    }
    // In one call: the kernel joins the user namespace first, and its capabilities then count for
    // the others (setns(2)).
    nix::sched::setns(&pidfd, flags).with_context(|| format!("setns({pid}, {})", names(flags)))?;
    report::trace(format!("setns({pid}, {})", names(flags)));
    Ok(())
}
