fn plan(mount: &Path, limits: &Limits, name: &str) -> Result<Plan> {
    let hint = "hint: this part of the tree is not delegated to you. Ask for one that is:\n      \
                systemd-run --user --scope -p Delegate=yes THIS-PROGRAM run …";
    // Root's go to the top; an unprivileged user owns, if anything, the cgroup that they are in.
    // Who has been given a cgroup (delegation, in the words of cgroup-v2.rst) owns its directory and may make
    // others in it. Limits above hold for all of these together, so nothing is lost by letting people do so.
    let parent = if nix::unistd::geteuid().is_root() { mount.to_owned() } else { mount.join(own_path()?) };
    // What nobody has asked for is not switched on: each controller costs a little in every cgroup that has it.
    let asked = [
        ("memory", limits.memory.is_some()),
        ("cpu", limits.cpus.is_some()),
        ("pids", limits.pids.is_some()),
    ];
    let wanted: Vec<_> =
        asked.iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| format!("+{name}")).collect();
    let directory = parent.join(name);
    // A controller counts in a cgroup only if the one above passes it on. That turns the one above into a branch, and
    // only leaves hold processes: ours has to leave it for a leaf. The top of the tree alone may be both.
    // The top has no file cgroup.type: nothing above it could say what it is.
    let is_top = !parent.join("cgroup.type").exists();
    let mut settings = Vec::new();
    let mut leaf = None;
    // What the parent passes on already has been paid for, and needs no second order.
    let enabled = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
    if !wanted.iter().all(|wanted| enabled.split_whitespace().any(|name| name == &wanted[1..])) {
        leaf = (!is_top).then(|| parent.join("outside"));
        settings.push((parent.join("cgroup.subtree_control"), wanted.join(" ")));
    }
    let mut limit = |file: &str, value: Option<String>| {
        settings.extend(value.map(|value| (directory.join(file), value)));
    };
    // Page cache counts too: files that were read are in memory until somebody needs the room. At the limit the
    // kernel first drops these, and only if nothing is left to drop does it kill.
    limit("memory.max", limits.memory.map(|bytes| bytes.to_string()));
    // So many microseconds of each period.
    limit("cpu.max", limits.cpus.map(|cpus| format!("{} {PERIOD}", (cpus * PERIOD as f64) as u64)));
    // Threads count as well: to the kernel each is a task with a number. Beyond the limit fork(2) is EAGAIN.
    limit("pids.max", limits.pids.map(|count| count.to_string()));
    Ok(Plan {
        leaf,
        settings,
        // Without this a hog is not stopped at the limit of memory: the rest of it goes to swap.
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
