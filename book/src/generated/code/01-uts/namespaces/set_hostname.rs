/// Sets the hostname of the caller's UTS namespace, so it is called in the child only. The kernel
/// requires CAP_SYS_ADMIN in the user namespace that owns the UTS namespace. That is why it works
/// for "root inside" and fails with EPERM for an unprivileged user outside.
pub fn set_hostname(name: &str) -> Result<()> {
    let before = nix::unistd::gethostname().unwrap_or_default();
    nix::unistd::sethostname(name).map_err(|errno| {
        let error = anyhow::Error::new(errno);
        // __NEW_UTS_LEN in the kernel.
        let is_long = errno == Errno::EINVAL;
        let error = if is_long { error.context("hint: a hostname has at most 64 bytes") } else { error };
        error.context(format!("sethostname({name:?})"))
    })?;
    report::trace(format!("sethostname({name:?})   was {before:?}"));
    Ok(())
}
