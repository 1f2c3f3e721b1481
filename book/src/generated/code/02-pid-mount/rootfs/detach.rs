/// A new mount namespace is a copy, and where mounts are shared (systemd shares all) each copy still tells the other
/// what happens to it. Private ends that. Without it what follows would be mounted on the host as well.
pub fn detach() -> Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .context("mount(/, MS_REC | MS_PRIVATE)")?;
    report::tell("mount(/, MS_REC | MS_PRIVATE)");
    Ok(())
}
