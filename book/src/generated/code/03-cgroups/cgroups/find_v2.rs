/// Where the v2 tree is mounted, if it has the controllers. A hybrid machine has a v2 tree without
/// them: a controller belongs either to the v2 tree or to a v1 tree, and systemd decides which when
/// the machine starts.
pub fn find_v2(mounts: &str) -> Option<PathBuf> {
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    // The fifth field of a line in mountinfo is the mount point (proc(5)).
    let mount = PathBuf::from(line.split(' ').nth(4)?);
    let controllers = fs::read_to_string(mount.join("cgroup.controllers")).ok()?;
    controllers.split_whitespace().any(|name| name == "memory").then_some(mount)
}
