/// Waits for every process that has ended: one SIGCHLD can stand for several children (signal(7)).
/// An ended process stays as a zombie, which is a pid and an exit code, until its parent waits for
/// it. If process 1 does not wait, the pids run out, or the limit of processes is reached (step 3).
pub fn reap(child: Pid) -> Result<Option<u8>> {
    loop {
        let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(None),
            status => status.context("waitpid(any)")?,
        };
        let whose = if status.pid() == Some(child) { "" } else { "   an orphan" };
        report::trace(format!("waitpid(any) = {status:?}{whose}"));
        match status {
            // An exit code has eight bits. By convention of the shells, a death by signal is a code
            // above 128.
            WaitStatus::Exited(pid, code) if pid == child => return Ok(Some(code as u8)),
            WaitStatus::Signaled(pid, signal, _) if pid == child => return Ok(Some(128 + signal as u8)),
            _ => {}
        }
    }
}
