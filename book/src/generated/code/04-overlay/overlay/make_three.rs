/// Creates the three directories that the mount needs, beside the lower ones.
pub fn make_three(dir: &Path) -> Result<()> {
    // upper and work have to be on one file system, because the kernel renames files from work to
    // upper. work has to be empty, and only the kernel may use it.
    for name in ["upper", "work", "merged"] {
        make(&dir.join(name))?;
    }
    // The root directory of merged gets its mode from upper, and every user in the container has to
    // get through it.
    let open = Permissions::from_mode(0o755);
    fs::set_permissions(dir.join("upper"), open).context("chmod(upper)")
}
