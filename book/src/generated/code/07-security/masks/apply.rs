/// Masks the files in the tree below `root`, which becomes the container's root later. In a user
/// namespace, most of these files belong to a user who has no id inside. They are masked
/// nevertheless.
pub fn apply(root: &Path) -> Result<()> {
    for path in HIDDEN.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        if path.is_dir() {
            // Read-only and of size 0, so that nobody can put files there.
            rootfs::mount_new("tmpfs", &path, MsFlags::MS_RDONLY, "size=0,mode=0555")?;
        } else {
            // A read from /dev/null returns the end of the file.
            rootfs::bind(&root.join("dev/null"), &path)?;
        }
    }
    for path in READ_ONLY.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        // Only a mount can be read-only, so the file is first mounted onto itself.
        rootfs::bind(&path, &path)?;
        make_read_only(&path)?;
    }
    Ok(())
}
