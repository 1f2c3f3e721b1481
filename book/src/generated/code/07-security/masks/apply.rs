/// On the tree that is about to be the root; what a kernel does not have needs no cover.
pub fn apply(root: &Path) -> Result<()> {
    // Before the pivot: the files to cover are in the tree that is to come, and so is the /dev/null.
    for path in HIDDEN.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        if path.is_dir() {
            rootfs::mount_new("tmpfs", &path, MsFlags::MS_RDONLY, "size=0,mode=0555")?;
        } else {
            rootfs::bind(&root.join("dev/null"), &path)?;
        }
    }
    for path in READ_ONLY.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        // Only a mount can be read-only, so it is made one, of itself onto itself.
        rootfs::bind(&path, &path)?;
        make_read_only(&path)?;
    }
    Ok(())
}
