/// Loads the filter. A process can have several; the strictest answer counts.
fn load(code: &[sock_filter]) -> Result<()> {
    // A set-user-ID program inherits the filter of its caller, and one that lies to it ("setuid has
    // succeeded") could make it a tool of the attacker. So, without CAP_SYS_ADMIN, a filter takes
    // no_new_privs: from then on no execve grants privileges.
    nix::sys::prctl::set_no_new_privs().context("prctl(PR_SET_NO_NEW_PRIVS)")?;
    report::trace("prctl(PR_SET_NO_NEW_PRIVS)");
    // The kernel verifies the program: jumps go forward and stay inside, every path ends with a
    // return, so it always ends.
    let program = sock_fprog { len: code.len() as u16, filter: code.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions, which is how many there are.
    let loaded =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    Errno::result(loaded).context("seccomp(SECCOMP_SET_MODE_FILTER)")?;
    report::trace(format!("seccomp(SECCOMP_SET_MODE_FILTER, {} instructions)", code.len()));
    Ok(())
}
