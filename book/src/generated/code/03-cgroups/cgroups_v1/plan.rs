/// The plan for v1: a directory in the tree of each controller that the limits need.
pub fn plan(mounts: &str, limits: &Limits, name: &str) -> Result<Plan> {
    let mut plan = Plan {
        // On v1 any cgroup may hold processes.
        leaf: None,
        directories: Vec::new(),
        settings: Vec::new(),
        optional: Vec::new(),
        procs_files: Vec::new(),
        oom_counter: None,
        // A user with write access to a v1 cgroup can move processes into it from any other one, and so
        // out of the limits there. So distributions do not delegate v1.
        hint: "hint: cgroup v1 cannot be delegated to unprivileged users safely: run this as root, or boot with v2\n      \
               (systemd.unified_cgroup_hierarchy=1)",
    };
    for controller in controllers(limits) {
        let mount = find(mounts, controller)
            .context("hint: see /proc/cgroups for what the kernel has, and mount | grep cgroup for where")
            .with_context(|| format!("no mounted cgroup tree has the controller {controller}"))?;
        let directory = mount.join(name);
        plan.settings.extend(limit_files(controller, &directory, limits));
        if let ("memory", Some(bytes)) = (controller, limits.memory) {
            // Optional settings are written last. Here that order is needed: memory and swap together
            // may not be less than memory alone.
            plan.optional.push((directory.join("memory.memsw.limit_in_bytes"), bytes.to_string()));
            plan.oom_counter = Some(directory.join("memory.oom_control"));
        }
        plan.directories.push(directory);
    }
    // Some machines mount two controllers in one tree.
    plan.directories.dedup();
    plan.procs_files = plan.directories.iter().map(|directory| directory.join("tasks")).collect();
    Ok(plan)
}
