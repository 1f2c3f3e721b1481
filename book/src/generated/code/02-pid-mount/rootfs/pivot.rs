/// Makes `root` the root directory and detaches the old one. chroot(2) would not be enough: it
/// changes only where "/" leads, the old tree stays mounted, and root can get back to it, by
/// another chroot into a subdirectory, which leaves the working directory outside of the root, and
/// then by `..`. After a pivot there is nothing above the root.
pub fn pivot(root: &Path) -> Result<()> {
    nix::unistd::chdir(root).with_context(|| format!("chdir({})", root.display()))?;
    // The old root is mounted on top of the new one, which spares a directory to put it in
    // (pivot_root(2)).
    nix::unistd::pivot_root(".", ".").map_err(|errno| {
        let error = anyhow::Error::new(errno);
        let error = match errno {
            Errno::EINVAL => {
                error.context("hint: the present root is an initramfs, which cannot be pivoted from")
            }
            _ => error,
        };
        error.context("pivot_root(., .)")
    })?;
    report::trace(format!("pivot_root({}, ., old on top)", root.display()));
    // The old root is the upper one. MNT_DETACH, because it is busy: the kernel takes the whole
    // tree off at once and frees each mount when its last user has gone.
    umount2(".", MntFlags::MNT_DETACH).context("umount2(., MNT_DETACH)")?;
    report::trace("umount2(., MNT_DETACH)   the old root is gone");
    // The working directory is still in the old root.
    nix::unistd::chdir("/").context("chdir(/)")
}
