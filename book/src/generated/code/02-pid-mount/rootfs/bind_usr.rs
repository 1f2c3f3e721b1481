/// Binds this machine's programs, read-only. A bind mount shows a directory in a second place;
/// nothing is copied.
pub fn bind_usr(root: &Path) -> Result<()> {
    for name in bound() {
        let to = root.join(name);
        bind(&Path::new("/").join(name), &to)?;
        // These are the machine's own files, and root inside could change them. The read-only flag
        // belongs to the mount, not to the files: they cannot be changed through this mount.
        make_read_only(&to)?;
    }
    Ok(())
}
