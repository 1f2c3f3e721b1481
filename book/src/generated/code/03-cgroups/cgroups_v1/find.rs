/// Where the tree of a controller is mounted: the last field in mountinfo names the controllers
/// (proc(5)).
fn find(mounts: &str, controller: &str) -> Option<PathBuf> {
    let has_it = |line: &&str| {
        line.rsplit(' ').next().is_some_and(|options| options.split(',').any(|o| o == controller))
    };
    let line = mounts.lines().filter(|line| line.contains(" - cgroup ")).find(has_it)?;
    line.split(' ').nth(4).map(PathBuf::from)
}
