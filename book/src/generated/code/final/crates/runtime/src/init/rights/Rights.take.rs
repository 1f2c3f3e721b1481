/// Gives up the runtime's rights for the container's. The seccomp filter is not loaded yet: it comes last, because
/// a policy only has to allow what the program itself does.
pub(crate) fn take(self) -> Result<Filter<'a>> {
    let process = self.process;
    let sets = capabilities::parse(process.capabilities.as_ref())?;
    self.labels.set()?;
    if process.no_new_privileges {
        process::set_no_new_privileges().step(|| "set no_new_privs".into())?;
    }
    // Without no_new_privs a filter needs CAP_SYS_ADMIN (seccomp(2)).
    let needs_admin = self.filter.is_some() && !process.no_new_privileges;
    // First as root, who may enter what the user may not; if that fails, below as the user.
    let is_there = program::enter(&process.cwd)?;
    // The bounding set needs CAP_SETPCAP: before the user changes.
    capabilities::limit_bounding(&sets)?;
    set_user(process)?;
    if !is_there {
        program::enter_at_last(&process.cwd)?;
    }
    program::check_directory()?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(process.user.umask.unwrap_or(0o022)));
    match needs_admin {
        true => capabilities::apply_keeping_admin(&sets)?,
        false => capabilities::apply(&sets)?,
    }
    Ok(Filter { program: self.filter, listener: self.listener, sets, needs_admin })
}
