/// Makes all mounts private. A new mount namespace is a copy of the parent's, and where mounts are
/// shared (systemd shares all) a mount in one copy appears in the other: without this call, what
/// follows would be mounted on the host too. In a user namespace the kernel has already made the
/// copies slaves of the host's mounts, which lets mounts in and none out. For root this call alone
/// protects the host (mount_namespaces(7)).
pub fn detach() -> Result<()> {
    // Recursive, because each mount has its own propagation type. With this flag mount(2) ignores
    // its other arguments.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .context("mount(/, MS_REC | MS_PRIVATE)")?;
    report::trace("mount(/, MS_REC | MS_PRIVATE)");
    Ok(())
}
