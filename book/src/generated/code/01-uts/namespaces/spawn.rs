/// Clones a child into new namespaces. Once released, the child executes this program again, as
/// `child config`. Why a sync pipe? The child exists from the clone on, but a part of its setup,
/// such as the id maps, can be done only from outside. The child must not continue before that is
/// done. A pipe is the simplest thing to wait for: read(2) sleeps until there is a byte, or until
/// every write end is closed.
pub fn spawn(flags: CloneFlags, config: &Value) -> Result<Child> {
    // CLOEXEC closes both ends in an execve. If another program kept a write end open, the reader
    // would never see the end of the file.
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("pipe2")?;
    let (mut reader, writer) = (File::from(reader), File::from(writer));
    let mut sync_pipe = Some(writer);
    // clone(2) takes the address of a stack for the child, even though this child gets a copy of
    // all memory.
    let mut stack = vec![0; 256 * 1024];
    let body = Box::new(|| {
        // The child has copies of both ends and must close its write end.
        drop(sync_pipe.take());
        let Err(error) = wait_and_exec(&mut reader, config);
        report::failure(&error);
        125
    });
    // The kernel sends the parent SIGCHLD when the child ends. Without this signal a plain
    // waitpid(2) does not see the child.
    // SAFETY: without CLONE_VM this is a fork: the child runs on copies of `stack` and of all other
    // memory, and this process has one thread, so no lock is held in the copy.
    let pid = unsafe { nix::sched::clone(body, &mut stack, flags, Some(libc::SIGCHLD)) }
        .with_context(|| format!("clone({})", names(flags)))?;
    report::trace(format!("clone({}) = {pid}", names(flags)));
    Ok(Child { pid, sync_pipe })
}
