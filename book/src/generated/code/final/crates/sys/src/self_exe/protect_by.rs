/// Executes this program again from the file that `mount` gives, or from a sealed copy in memory if there is no mount. Returns
/// if the program already runs from such a file.
fn protect_by(mount: impl FnOnce() -> nix::Result<OwnedFd>) -> nix::Result<()> {
    let own = rustix::fs::open(SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
    if is_protected(&own)? {
        return Ok(());
    }
    let copy = match mount() {
        Ok(mount) => mount,
        Err(_) => sealed_memory()?,
    };
    let args: Vec<CString> =
        std::env::args_os().filter_map(|arg| CString::new(arg.as_bytes()).ok()).collect();
    // The call returns only with an error: its success is a new program.
    match execute(&copy, &args)? {}
}
