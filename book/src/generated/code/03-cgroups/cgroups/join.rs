/// Joins the cgroup. 0 means "the process that writes". The parent could write the child's pid instead,
/// while the child waits at the sync pipe. But on v1 the kernel moves another process much more
/// slowly (cgroups_v1.rs).
pub fn join(files: &[String]) -> Result<()> {
    files.iter().try_for_each(|file| write(Path::new(file), "0", "hint: is the cgroup still there?"))
}
