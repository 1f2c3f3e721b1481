fn clear_container(engine: &Engine, id: &str, snapshot: &Snapshot, killer: Killer) -> Result<()> {
    let root = engine.root();
    if let Some(init) = snapshot.state.as_ref().and_then(|state| state.init.as_ref())
        && let Some(pidfd) = open(init)?
    {
        // When the first process ends, the kernel kills all others of its pid namespace (pid_namespaces(7)). It may have
        // ended by itself; if it lives and this fails, clearing the cgroup fails too.
        let _ = hull_sys::process::pidfd_send_signal(std::os::fd::AsFd::as_fd(&pidfd), nix::libc::SIGKILL);
    }
    let state = snapshot.state.as_ref();
    // A damaged state does not name the cgroup.
    let path = state.map_or_else(|| Some(cgroup_parents::path_of(engine, id)), |state| state.cgroup.clone());
    let mut errors = Errors::default();
    // Its failure is no reason to keep the state: the processes are those of the cgroup.
    let _ = Runtime::of(state.and_then(|state| state.runtime.as_ref()), root, id).delete();
    if let Some(path) = path {
        errors.note(clear_cgroup(engine, &path));
    }
    errors.note(crate::net::clear(engine.root(), id));
    // If anything is left, the state stays, and the next command that looks at the container tries again.
    errors.into_result()?;
    if let Some(died) = Event::of_container(engine, id, "die") {
        died.with("exitCode", KILLED).emit(engine);
    }
    let record = match Record::load(root, id) {
        Ok(record) if record.options.auto_remove => {
            return crate::gc::removal::remove_files(engine, Remains::of(&record, true));
        }
        Ok(record) => Some(record),
        // A damaged record does not tell whether the container was to be removed, so it stays.
        Err(Error::DamagedRecord { .. }) => None,
        Err(error) => return Err(error),
    };
    let exit = Exit {
        code: KILLED,
        started: state.and_then(|state| state.started),
        finished: Some(Timestamp::now()),
        error: "monitor died".into(),
        restart_count: state.map_or(0, |state| state.restart_count),
        stopped_by_user: killer == Killer::Command,
        monitor_killed: true,
        ..Exit::default()
    };
    let mut errors = Errors::default();
    errors.note(health::keep(root, id));
    errors.note(exit.store(root, id));
    errors.note(hull_storage::file::remove(&root.container_run_dir(id).join("state.json")));
    errors.into_result()?;
    if record.is_some_and(|record| record.options.restart.is_pending(&exit)) {
        engine.comebacks().add(id);
    }
    Ok(())
}
