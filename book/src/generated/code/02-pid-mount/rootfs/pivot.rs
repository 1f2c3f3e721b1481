/// Makes `root` the root directory and detaches the old one. chroot(2) is not enough: it changes only
/// where "/" leads, and the old tree stays mounted. Root gets back to it with a second chroot into a
/// subdirectory, which leaves the working directory outside of the new root, and then with `..`.
/// After a pivot there is nothing above the root.
pub fn pivot(root: &Path) -> Result<()> {
    nix::unistd::chdir(root).with_context(|| format!("chdir({})", root.display()))?;
    // The second argument is where the old root is mounted. "." mounts it on top of the new root, so
    // no directory is needed for it (pivot_root(2)).
    nix::unistd::pivot_root(".", ".").map_err(|errno| {
        let error = anyhow::Error::new(errno);
        let error = match errno {
            Errno::EINVAL => error.context(
                "hint: the present root is an initramfs, which pivot_root cannot leave, or it is shared",
            ),
            _ => error,
        };
        error.context("pivot_root(., .)")
    })?;
    report::trace(format!("pivot_root({}, .)   the old root is on top", root.display()));
    // "." is the upper one of the two, the old root. It is busy, so use MNT_DETACH: the kernel
    // removes the whole tree at once, and frees each mount when nothing uses it any more.
    umount2(".", MntFlags::MNT_DETACH).context("umount2(., MNT_DETACH)")?;
    report::trace("umount2(., MNT_DETACH)   the old root is gone");
    // The working directory was the new root already. This line does not depend on that.
    nix::unistd::chdir("/").context("chdir(/)")
}
