/// Resolves an entry's path: its parent directory, held open, and the target in it. Missing
/// parents are created. Checking the path and using it later is not safe, because an earlier
/// entry may have made a link on it; only the kernel can check and open in one step.
fn target(&self, path: &Path) -> Result<(OwnedFd, PathBuf)> {
    let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
    // RESOLVE_IN_ROOT would resolve `..` and absolute links inside the layer, as chroot does;
    // neither belongs into a layer, so both are refused. Magic links are those in /proc/PID/fd.
    let beneath = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how =
        OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).resolve(beneath);
    let dot = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let held = match openat2(self.root.as_fd(), dot, how) {
        // Create the parent, whose own path is resolved in the same way.
        Err(Errno::ENOENT) => {
            let (_held, at) = self.target(parent)?;
            clear(&at, true).context("unlink")?;
            DirBuilder::new()
                .mode(0o755)
                .create(&at)
                .with_context(|| format!("mkdir({})", parent.display()))?;
            return self.target(path);
        }
        Err(Errno::EXDEV) => {
            return Err(Errno::EXDEV).context("it would lead out of the layer's directory");
        }
        held => held.with_context(|| format!("openat2({}, RESOLVE_BENEATH)", parent.display()))?,
    };
    // By descriptor, so that the path is not resolved again.
    let at = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd())).join(name);
    Ok((held, at))
}
