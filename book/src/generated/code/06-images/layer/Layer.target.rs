/// Looks up the parent directory of an entry, and creates it if it is missing. Returns the
/// parent, held open, and the entry's path in it.
fn target(&self, path: &Path) -> Result<(OwnedFd, PathBuf)> {
    let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
    let held = match self.open_beneath(parent) {
        Err(Errno::ENOENT) => {
            // The missing parent has a parent too, which is looked up in the same way.
            let (_held, at) = self.target(parent)?;
            clear(&at, true).context("unlink")?;
            let made = DirBuilder::new().mode(0o755).create(&at);
            made.with_context(|| format!("mkdir({})", parent.display()))?;
            return self.target(path);
        }
        Err(Errno::EXDEV) => return Err(Errno::EXDEV).context(LEAVES),
        held => held.with_context(|| format!("openat2({}, RESOLVE_BENEATH)", parent.display()))?,
    };
    // This path starts at the descriptor, so the parent is not looked up a second time.
    let at = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd())).join(name);
    Ok((held, at))
}
