/// Makes the container and waits for it.
fn outside(run: &Run) -> Result<ExitCode> {
    // The child gets its configuration as one argument: a small version of the config.json of an
    // OCI bundle.
    let config = json!({ "hostname": run.hostname, "command": run.command });
    let child = namespaces::spawn(flags(), &config)?;
    namespaces::report_changes(child.pid());
    if idmap::is_needed() {
        idmap::write(child.pid())?;
    }
    let pid = child.release()?;
    // The terminal sends ^C and ^\ to all processes of its foreground group. The program inside
    // gets them too, and this one stays to report its exit code.
    SigSet::from_iter([Signal::SIGINT, Signal::SIGQUIT]).thread_block().context("sigprocmask")?;
    let status = waitpid(pid, None).with_context(|| format!("waitpid({pid})"))?;
    report::trace(format!("waitpid({pid}) = {status:?}"));
    Ok(match status {
        WaitStatus::Exited(_, code) => ExitCode::from(code as u8),
        // Shells report a death by signal n as 128 + n.
        WaitStatus::Signaled(_, signal, _) => ExitCode::from(128 + signal as u8),
        _ => ExitCode::FAILURE,
    })
}
