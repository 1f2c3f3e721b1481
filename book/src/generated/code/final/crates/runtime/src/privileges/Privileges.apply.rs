/// Drops the runtime's privileges and keeps those of the container. The seccomp filter is returned and not loaded yet:
/// it comes last, because a policy only has to allow the system calls of the program itself.
pub(crate) fn apply(self) -> Result<PendingFilter<'a>> {
    let process = self.process;
    let sets = capabilities::parse(process.capabilities.as_ref())?;
    self.labels.set()?;
    if process.no_new_privileges {
        process::set_no_new_privileges().step(|| "set no_new_privs".into())?;
    }
    // Without no_new_privs, loading a filter takes CAP_SYS_ADMIN (seccomp(2)).
    let needs_admin = self.filter.is_some() && !process.no_new_privileges;
    // Root may enter directories that the user may not. Where root may not (NFS with root_squash), the user tries below.
    let is_there = working_directory::enter(&process.cwd)?;
    // Before the user changes, because it takes CAP_SETPCAP.
    capabilities::limit_bounding(&sets)?;
    set_user(process)?;
    if !is_there {
        working_directory::enter_as_user(&process.cwd)?;
    }
    working_directory::check()?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(process.user.umask.unwrap_or(0o022)));
    match needs_admin {
        true => capabilities::apply_keeping_admin(&sets)?,
        false => capabilities::apply(&sets)?,
    }
    Ok(PendingFilter { program: self.filter, listener: self.listener, sets, needs_admin })
}
