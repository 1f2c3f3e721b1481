/// Makes `root` the root and throws the old one away. chroot(2) would only move where "/" points; the old tree would
/// stay mounted, and root has ways back to it.
/// The classic way back: chroot once more, into a directory below; then the working directory is outside of the
/// root, and `..` leads up from there as far as it goes. After a pivot there is nothing up there.
pub fn pivot(root: &Path) -> Result<()> {
    nix::unistd::chdir(root).with_context(|| format!("chdir({})", root.display()))?;
    // The old root goes where the new one is, on top of it: that spares a directory to put it in (pivot_root(2)).
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
    // The top of the two is the old one. Lazily: it is busy, if only with our own working directory.
    // With MNT_DETACH the kernel takes the whole tree off at once and frees each mount when its last user has gone.
    umount2(".", MntFlags::MNT_DETACH).context("umount2(., MNT_DETACH)")?;
    report::trace("umount2(., MNT_DETACH)   the old root is gone");
    // The working directory was the old root's; what has none that leads anywhere begins at the new one.
    nix::unistd::chdir("/").context("chdir(/)")
}
