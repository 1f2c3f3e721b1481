/// Joins the cgroup: in the child, before anything else. Memory that a process has allocated before
/// is charged to the cgroup it was in. 0 means the writing process. Writing another process's pid
/// from outside works too, but leaves a moment in which that process is not limited.
pub fn join(files: &[String]) -> Result<()> {
    files.iter().try_for_each(|file| write(Path::new(file), "0", "hint: is the cgroup still there?"))?;
    // The root of a cgroup namespace is the cgroup that its creator is in at that moment, so it is
    // created after joining: /proc/self/cgroup then says "/". That is why it is not among the flags
    // of the clone.
    unshare(CloneFlags::CLONE_NEWCGROUP).context("unshare(CLONE_NEWCGROUP)")?;
    report::trace("unshare(CLONE_NEWCGROUP)   where I am is \"/\" for me");
    Ok(())
}
