/// The plan for v2, where the tree is mounted at `mount`: one directory with every limit in it.
pub fn plan(mount: &Path, limits: &Limits, name: &str) -> Result<Plan> {
    // Root creates the cgroup at the top of the tree. An unprivileged user may own the cgroup that
    // they are in, and may then create others in it (delegation, see cgroup-v2.rst). The limits
    // above still hold for all of these together.
    let parent = if nix::unistd::geteuid().is_root() { mount.to_owned() } else { mount.join(own_path()?) };
    let directory = parent.join(name);
    let (leaf, pass_on) = pass_on(&parent, limits);
    // Without a limit on swap, the memory beyond memory.max would go to swap. A kernel without swap
    // does not have this file.
    let swap = limits.memory.map(|_| (directory.join("memory.swap.max"), "0".to_owned()));
    Ok(Plan {
        leaf,
        settings: pass_on.into_iter().chain(limit_files(&directory, limits)).collect(),
        optional: swap.into_iter().collect(),
        procs_files: vec![directory.join("cgroup.procs")],
        oom_counter: limits.memory.map(|_| directory.join("memory.events")),
        directories: vec![directory],
        hint: "hint: this part of the tree is not delegated to you. Ask for one that is:\n      \
               systemd-run --user --scope -p Delegate=yes THIS-PROGRAM run …",
    })
}
