/// Covers the files in the tree that will be the root. In a user namespace their owner, who is
/// nobody there, protects many of them already; they are covered nevertheless.
pub fn apply(root: &Path) -> Result<()> {
    // This runs before the pivot, so the paths, /dev/null's too, are below the new root.
    for path in HIDDEN.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        // A mount hides what is below it, a file or a directory.
        if path.is_dir() {
            // Read-only and of size 0: nobody can put anything there that a program would take for
            // the kernel's.
            rootfs::mount_new("tmpfs", &path, MsFlags::MS_RDONLY, "size=0,mode=0555")?;
        } else {
            // Reads return the end of file, writes are discarded.
            rootfs::bind(&root.join("dev/null"), &path)?;
        }
    }
    for path in READ_ONLY.map(|path| root.join(path)).into_iter().filter(|path| path.exists()) {
        // Only a mount can be read-only, so the file is bound onto itself.
        rootfs::bind(&path, &path)?;
        make_read_only(&path)?;
    }
    Ok(())
}
