/// On the inside, before anything else runs there. After the execve would be too late: what a process has in memory by
/// then is charged to the cgroup it was in.
/// 0 means the writer. To write another process's number works too, but from outside, and there is a moment in
/// between; who joins before it does anything else was never anywhere else.
pub fn join(procs_files: &[String]) -> Result<()> {
    procs_files
        .iter()
        .try_for_each(|file| write(Path::new(file), "0", "hint: is the cgroup still there?"))?;
    // Its root is the cgroup we are in now, and /proc/self/cgroup says "/". Made before the join it would be the host's,
    // and the path of ours in it would show.
    // It is not part of the clone for this reason alone.
    unshare(CloneFlags::CLONE_NEWCGROUP).context("unshare(CLONE_NEWCGROUP)")?;
    report::trace("unshare(CLONE_NEWCGROUP)   where I am is \"/\" for me");
    Ok(())
}
