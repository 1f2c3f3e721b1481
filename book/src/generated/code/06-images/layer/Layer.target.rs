/// Where an entry of this name goes, with the directory it is in held open. Those that lead there are made if no
/// entry has come for them.
/// To check the path first and to use it then is no way: a link that was made by an entry before is
/// followed by the kernel and not by the check. Only the kernel can look and open in one step.
fn target(&self, path: &Path) -> Result<(OwnedFd, PathBuf)> {
    let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
    // RESOLVE_IN_ROOT would stop `..` at the layer's top, and begin an absolute link there, as chroot does.
    // In a layer either is a lie, so it is refused. Magic links are those in /proc, which lead to what they
    // were opened on.
    let beneath = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how =
        OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).resolve(beneath);
    let dot = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let held = match openat2(self.root.as_fd(), dot, how) {
        // One at a time, from the top: each of them is looked up as carefully.
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
    // By descriptor, so that nothing of the path is looked up once more.
    let at = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd())).join(name);
    Ok((held, at))
}
