/// A new mount namespace is a copy, and where mounts are shared (systemd shares all) each copy still tells the other
/// what happens to it. Private ends that. Without it what follows would be mounted on the host as well.
/// In a user namespace the kernel has already made the copy a slave: what is mounted outside still comes in,
/// nothing gets out. For root nobody has done it, and this line is all that keeps the host's mounts its own
/// (mount_namespaces(7)).
pub fn detach() -> Result<()> {
    // Recursive, since each mount below has a propagation of its own. mount(2) takes the flag alone and ignores
    // the rest.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .context("mount(/, MS_REC | MS_PRIVATE)")?;
    report::trace("mount(/, MS_REC | MS_PRIVATE)");
    Ok(())
}
