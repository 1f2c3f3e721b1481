/// Makes a mount and all mounts below it read-only, with mount_setattr(2) (Linux 5.12). The older
/// mount(2) changes one mount only, and the caller has to repeat all its other flags.
pub fn make_read_only(tree: &Path) -> Result<()> {
    let call = || format!("mount_setattr({}, MOUNT_ATTR_RDONLY, recursive)", tree.display());
    let path = CString::new(tree.as_os_str().as_encoded_bytes()).with_context(call)?;
    let attr =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let (flags, size) = (libc::AT_RECURSIVE, size_of_val(&attr));
    // SAFETY: the path ends in a zero byte, and `attr` is as long as we say.
    let done = unsafe {
        libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, path.as_ptr(), flags, &raw const attr, size)
    };
    Errno::result(done).with_context(call)?;
    report::trace(call());
    Ok(())
}
