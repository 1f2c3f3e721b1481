/// Clones a child into new namespaces. Once released it executes this program again, as `child
/// config`. Why a sync pipe? The child exists from the clone on, but part of its setup (id maps,
/// its end of a veth pair) can be done only from outside. Until that is done the child must not go
/// on. A pipe is the simplest thing to wait for: read(2) sleeps until there is a byte, or until
/// every write end is closed.
pub fn spawn(flags: CloneFlags, config: &Value) -> Result<Child> {
    // CLOEXEC: were a write end still open after the re-exec, the reader would never see the end of
    // file.
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("pipe2")?;
    let (mut reader, writer) = (File::from(reader), File::from(writer));
    let mut sync_pipe = Some(writer);
    // clone(2) takes the address of the child's stack, even if, as here, the child gets a copy of
    // all memory.
    let mut stack = vec![0; 256 * 1024];
    let body = Box::new(|| {
        // The child has copies of both ends and must close its write end.
        drop(sync_pipe.take());
        let Err(error) = wait_and_exec(&mut reader, config);
        report::failure(&error);
        125
    });
    // SIGCHLD is the signal that tells the parent of the child's end. Without it a plain waitpid(2)
    // would not see this child.
    // SAFETY: without CLONE_VM this is a fork: the child runs on copies of `stack` and of all other
    // memory, and this process has one thread, so no lock is held in the copy.
    let pid = unsafe { nix::sched::clone(body, &mut stack, flags, Some(libc::SIGCHLD)) }
        .with_context(|| format!("clone({})", names(flags)))?;
    report::trace(format!("clone({}) = {pid}", names(flags)));
    Ok(Child { pid, sync_pipe })
}
