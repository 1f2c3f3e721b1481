/// Makes a cgroup namespace. Its root is the cgroup that this process is in at this moment, so it is
/// made after joining, and not by a flag of the clone. From here on /proc/self/cgroup says "/", and a
/// cgroup file system that is mounted in the container shows only the container's own part of the
/// tree.
pub fn hide_tree() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWCGROUP).context("unshare(CLONE_NEWCGROUP)")?;
    report::trace("unshare(CLONE_NEWCGROUP)   my cgroup is \"/\" for me");
    Ok(())
}
