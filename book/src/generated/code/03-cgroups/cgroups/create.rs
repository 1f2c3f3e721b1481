/// Creates a cgroup called `name` with these limits and no process in it. This happens before the
/// clone, so that the limits hold from the beginning and a limit that cannot be set is an error
/// before anything runs.
pub fn create(limits: &Limits, name: &str) -> Result<Option<Cgroup>> {
    if limits.memory.is_none() && limits.cpus.is_none() && limits.pids.is_none() {
        return Ok(None);
    }
    // The trees are usually below /sys/fs/cgroup, but not on every machine, so the mount table
    // says where they are.
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    let plan = match find_v2(&mounts) {
        Some(mount) => plan(&mount, limits, name)?,
        None => cgroups_v1::plan(&mounts, limits, name)?,
    };
    if let Some(leaf) = &plan.leaf {
        if !leaf.exists() {
            check(fs::create_dir(leaf), format!("mkdir({})", leaf.display()), plan.hint)?;
        }
        write(&leaf.join("cgroup.procs"), "0", plan.hint)?;
    }
    // Start the supervisor first, so that a kill at any later line leaves nothing behind.
    let supervisor = Supervisor::start(&plan.directories, remove)?;
    // From here on dropping this value removes what has been created, also after an error.
    let cgroup = Cgroup { plan, memory: limits.memory, _supervisor: supervisor };
    let plan = &cgroup.plan;
    for directory in &plan.directories {
        check(fs::create_dir(directory), format!("mkdir({})", directory.display()), plan.hint)?;
    }
    for (file, value) in plan.settings.iter().chain(plan.optional.iter().filter(|(file, _)| file.exists())) {
        write(file, value, plan.hint)?;
    }
    Ok(Some(cgroup))
}
