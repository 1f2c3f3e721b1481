fn plan(mount: &Path, limits: &Limits, name: &str) -> Result<Plan> {
    let hint = "hint: this part of the tree is not delegated to you. Ask for one that is:\n      \
                systemd-run --user --scope -p Delegate=yes THIS-PROGRAM run …";
    // Root's cgroups go to the top of the tree. An unprivileged user may own the cgroup that they
    // are in: the owner of its directory may create others in it (delegation, see cgroup-v2.rst).
    // The limits above still hold for all of these together.
    let parent = if nix::unistd::geteuid().is_root() { mount.to_owned() } else { mount.join(own_path()?) };
    // Only the controllers that are needed are enabled: each costs a little in every cgroup that
    // has it.
    let asked = [
        ("memory", limits.memory.is_some()),
        ("cpu", limits.cpus.is_some()),
        ("pids", limits.pids.is_some()),
    ];
    let wanted: Vec<_> =
        asked.iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| format!("+{name}")).collect();
    let directory = parent.join(name);
    // A cgroup has a controller only if its parent passes it on, and on v2 a cgroup that passes
    // controllers on may hold no process (the root excepted). So this process moves from the parent
    // into a leaf. The root is recognised by its missing file cgroup.type.
    let is_top = !parent.join("cgroup.type").exists();
    let mut settings = Vec::new();
    let mut leaf = None;
    // Controllers that the parent passes on already need no change.
    let enabled = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
    if !wanted.iter().all(|wanted| enabled.split_whitespace().any(|name| name == &wanted[1..])) {
        leaf = (!is_top).then(|| parent.join("outside"));
        settings.push((parent.join("cgroup.subtree_control"), wanted.join(" ")));
    }
    let mut limit = |file: &str, value: Option<String>| {
        settings.extend(value.map(|value| (directory.join(file), value)));
    };
    // The page cache counts too. At the limit the kernel first drops cached file pages; it kills
    // only if that is not enough.
    limit("memory.max", limits.memory.map(|bytes| bytes.to_string()));
    // Quota and period, in microseconds.
    limit("cpu.max", limits.cpus.map(|cpus| format!("{} {PERIOD}", (cpus * PERIOD as f64) as u64)));
    // Threads count too: to the kernel each is a task. Beyond the limit fork(2) fails with EAGAIN.
    limit("pids.max", limits.pids.map(|count| count.to_string()));
    Ok(Plan {
        leaf,
        settings,
        // Without this limit the memory beyond memory.max would go to swap.
        optional: limits
            .memory
            .map(|_| (directory.join("memory.swap.max"), "0".into()))
            .into_iter()
            .collect(),
        procs_files: vec![directory.join("cgroup.procs")],
        oom_counter: limits.memory.map(|_| directory.join("memory.events")),
        directories: vec![directory],
        hint,
    })
}
