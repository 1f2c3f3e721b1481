/// Makes all mounts private. A new mount namespace starts with a copy of the parent's mounts. If
/// they are shared (systemd shares all mounts), a mount in one copy appears in the other one too.
/// Without this call, the mounts that follow would appear on the host. In a user namespace the
/// kernel has already made the copies slaves of the host's mounts: mounts of the host appear here,
/// and ours do not appear there. For root, only this call protects the host (mount_namespaces(7)).
pub fn detach() -> Result<()> {
    // Recursive, because each mount has its own propagation type. With this flag mount(2) ignores
    // its other arguments.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .context("mount(/, MS_REC | MS_PRIVATE)")?;
    report::trace("mount(/, MS_REC | MS_PRIVATE)");
    Ok(())
}
