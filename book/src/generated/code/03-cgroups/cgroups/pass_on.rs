/// How `parent` passes the needed controllers on to the cgroups in it: what to write to its
/// cgroup.subtree_control, and the leaf that this process has to move into first.
pub fn pass_on(parent: &Path, limits: &Limits) -> (Option<PathBuf>, Option<Setting>) {
    let file = parent.join("cgroup.subtree_control");
    let wanted = controllers(limits);
    let passed_on = fs::read_to_string(&file).unwrap_or_default();
    if wanted.iter().all(|wanted| passed_on.split_whitespace().any(|name| name == *wanted)) {
        return (None, None);
    }
    // A cgroup that passes controllers on may hold no process, so this process moves out of the
    // parent into a leaf. The root of the tree is the exception. Only the root has no cgroup.type.
    let is_root = !parent.join("cgroup.type").exists();
    let leaf = (!is_root).then(|| parent.join("outside"));
    let text = wanted.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
    (leaf, Some((file, text)))
}
