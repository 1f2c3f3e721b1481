/// The path in the line `0::/path` of /proc/self/cgroup, without the first slash. 0 is the number
/// of the v2 tree. The path is relative to the root of the caller's cgroup namespace.
fn own_path() -> Result<String> {
    let text = fs::read_to_string("/proc/self/cgroup").context("read /proc/self/cgroup")?;
    let path = text
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .context("/proc/self/cgroup has no line 0::")?;
    Ok(path.to_owned())
}
