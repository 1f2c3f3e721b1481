/// From the runtime's rights to the container's.
pub(crate) fn take(&self) -> Result<()> {
    let process = self.process;
    let sets = capabilities::parse(process.capabilities.as_ref())?;
    self.labels.set()?;
    if process.no_new_privileges {
        process::set_no_new_privileges().step(|| "set no_new_privs".into())?;
    } else {
        // Without no_new_privs a filter needs CAP_SYS_ADMIN (seccomp(2)), which is about to go.
        self.load()?;
    }
    // The bounding set needs CAP_SETPCAP: before the user changes.
    capabilities::limit_bounding(&sets)?;
    set_user(process)?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(process.user.umask.unwrap_or(0o022)));
    capabilities::apply(&sets)?;
    if process.no_new_privileges {
        self.load()?;
    }
    Ok(())
}
