/// On the inside, before anything else runs there. After the execve would be too late: what a process has in memory by
/// then is charged to the cgroup it was in.
pub fn join(entrances: &[String]) -> Result<()> {
    entrances.iter().try_for_each(|file| write(Path::new(file), "0", "hint: is the cgroup still there?"))?;
    // Its root is the cgroup we are in now, and /proc/self/cgroup says "/". Made before the join it would be the host's,
    // and the path of ours in it would show.
    unshare(CloneFlags::CLONE_NEWCGROUP).context("unshare(CLONE_NEWCGROUP)")?;
    report::tell("unshare(CLONE_NEWCGROUP)   where I am is \"/\" for me");
    Ok(())
}
