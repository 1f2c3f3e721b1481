/// Makes the container and waits for it.
fn outside(run: &Run) -> Result<ExitCode> {
    let mut flags = CloneFlags::CLONE_NEWUTS;
    if idmap::is_needed() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    // What the inside has to know crosses as one argument, a toy version of the config.json of real runtimes.
    let config = json!({ "hostname": run.hostname, "command": run.command });
    let child = namespaces::spawn(flags, &config)?;
    namespaces::report_changes(child.pid());
    if idmap::is_needed() {
        idmap::write(child.pid())?;
    }
    let pid = child.release()?;
    // ^C and ^\ go to everybody in the terminal's foreground: the program inside has them already, and we stay to see
    // how it ends.
    SigSet::from_iter([Signal::SIGINT, Signal::SIGQUIT]).thread_block().context("sigprocmask")?;
    let status = waitpid(pid, None).with_context(|| format!("waitpid({pid})"))?;
    report::trace(format!("waitpid({pid}) = {status:?}"));
    Ok(match status {
        WaitStatus::Exited(_, code) => ExitCode::from(code as u8),
        // What every shell does with a death by signal n.
        WaitStatus::Signaled(_, signal, _) => ExitCode::from(128 + signal as u8),
        _ => ExitCode::FAILURE,
    })
}
