/// On the tree that is about to be the root; what a kernel does not have needs no cover.
/// In a user namespace much of this is refused by its owner already, since root inside is nobody there. It is
/// done all the same: two locks, and one way for all.
pub fn apply(root: &Path) -> Result<()> {
    // Before the pivot: the files to cover are in the tree that is to come, and so is the /dev/null.
    for path in HIDDEN.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        // A mount takes the place of what is below, of a file like of a directory.
        if path.is_dir() {
            // Read-only and without room, so that nobody puts into it what a program then takes for the kernel's word.
            rootfs::mount_new("tmpfs", &path, MsFlags::MS_RDONLY, "size=0,mode=0555")?;
        } else {
            // Reading ends at once, and writing goes nowhere.
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
