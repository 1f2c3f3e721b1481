/// A filter is never taken away. A second one is asked as well, and of two answers the stricter one counts.
fn load(code: &[sock_filter]) -> Result<()> {
    // Whoever starts a set-user-ID program gives it their filter, and one that lies to it ("setuid has worked") could
    // make it a tool. So without CAP_SYS_ADMIN a filter takes this promise first: no execve gives any privilege.
    nix::sys::prctl::set_no_new_privs().context("prctl(PR_SET_NO_NEW_PRIVS)")?;
    report::trace("prctl(PR_SET_NO_NEW_PRIVS)");
    // The kernel checks it before it takes it: all jumps forward and inside, every way ends with an answer. So
    // it always ends.
    let program = sock_fprog { len: code.len() as u16, filter: code.as_ptr().cast_mut() };
    // SAFETY: the kernel copies as many instructions as we say there are.
    let loaded =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    Errno::result(loaded).context("seccomp(SECCOMP_SET_MODE_FILTER)")?;
    report::trace(format!("seccomp(SECCOMP_SET_MODE_FILTER, {} instructions)", code.len()));
    Ok(())
}
