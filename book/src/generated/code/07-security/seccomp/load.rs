/// Loads the filter. A process can have several filters, and the strictest answer counts.
pub fn load(code: &[sock_filter]) -> Result<()> {
    // A set-user-ID program inherits the filter of its caller. A hostile filter could deceive it,
    // for example with the answer "setuid succeeded". So the kernel takes a filter only from a
    // process that has CAP_SYS_ADMIN or no_new_privs: with no_new_privs no execve adds privileges.
    nix::sys::prctl::set_no_new_privs().context("prctl(PR_SET_NO_NEW_PRIVS)")?;
    report::trace("prctl(PR_SET_NO_NEW_PRIVS)");
    // The kernel checks the filter: each jump goes forward, and each path ends with a return. So
    // every filter ends.
    let program = sock_fprog { len: code.len() as u16, filter: code.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions, which is the number of instructions in the
    // array.
    let loaded =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    Errno::result(loaded).context("seccomp(SECCOMP_SET_MODE_FILTER)")?;
    report::trace(format!("seccomp(SECCOMP_SET_MODE_FILTER, {} instructions)", code.len()));
    Ok(())
}
