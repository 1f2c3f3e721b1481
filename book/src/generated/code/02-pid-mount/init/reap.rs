/// Waits for all that have ended: one SIGCHLD can stand for many children (signal(7)).
/// What has ended stays as a zombie, a number and an exit code, until its parent has asked for it. Nobody else
/// can: so if process 1 does not, the numbers run out, or the limit of processes is reached (step 3).
fn reap(child: Pid) -> Result<Option<u8>> {
    loop {
        let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(None),
            status => status.context("waitpid(any)")?,
        };
        let whose = if status.pid() == Some(child) { "" } else { "   an orphan" };
        report::trace(format!("waitpid(any) = {status:?}{whose}"));
        match status {
            // An exit code has eight bits. What a shell makes of a death by signal is a number above 128, and
            // everybody has followed.
            WaitStatus::Exited(pid, code) if pid == child => return Ok(Some(code as u8)),
            WaitStatus::Signaled(pid, signal, _) if pid == child => return Ok(Some(128 + signal as u8)),
            _ => {}
        }
    }
}
